package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// largePolicy has thousands of channels, a host with a thousand of them, and ten thousand denied digests and hosts.
func largePolicy() string {
	var b strings.Builder
	b.WriteString("version: 1\nanchors: {good: {authenticode: {organization: Good}}}\ndeny:\n- name: many\n  sha256:\n")
	for i := range 10000 {
		fmt.Fprintf(&b, "  - %064x\n", i+1)
	}
	for i := range 10000 {
		fmt.Fprintf(&b, "- {name: host %d, hosts: [h%d.evil.example]}\n", i, i)
	}
	b.WriteString("channels:\n")
	for i := range 5000 {
		host := fmt.Sprintf("dl.vendor%d.example", i)
		if i%5 == 0 {
			host = "shared.example"
		}
		fmt.Fprintf(&b, "- {name: c%d, hosts: [%s], paths: [\"/p%d/**/*.{msi,exe}\"], require: [{signed_by: [good]}]}\n", i, host, i)
	}
	return b.String()
}

func BenchmarkDecideLargePolicy(b *testing.B) {
	p := mustParse(b, largePolicy())
	for name, u := range map[string]string{
		"own-host":    "https://dl.vendor4999.example/p4999/a/b/App.exe",
		"shared-host": "https://shared.example/p4995/a/b/App.exe",
		"no-channel":  "https://dl.vendor4999.example/elsewhere/App.exe",
		"encoded":     "https://shared.example/p4995/a/b/App%20%28x%29.exe",
	} {
		f := facts(b, u, signedAs("Good"))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(f)
			}
		})
	}
}

func BenchmarkDecideDenied(b *testing.B) {
	p := mustParse(b, largePolicy())
	f := facts(b, "https://shared.example/p4995/App.exe")
	f.Update.SHA256 = verify.Digest{30: 0x27, 31: 0x10}
	if d := p.Decide(f); d.Action != Block || d.Rule != "deny many" {
		b.Fatalf("%+v", d)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(f)
	}
}

func BenchmarkParseLargePolicy(b *testing.B) {
	data := []byte(largePolicy())
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse("p", nil, data); err != nil {
			b.Fatal(err)
		}
	}
}
