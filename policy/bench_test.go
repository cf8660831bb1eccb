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

func BenchmarkDecideIf(b *testing.B) {
	for name, expression := range map[string]string{
		"size-and-format": "update.size < 2 * GiB && update.format in ['msi', 'dmg']",
		"signers":         "signed_by('good') && signers.exists(s, s.organization == 'Good' && 'good' in s.anchors)",
		"inner":           "contents.inner.all(i, i.size < 100 * MiB && !i.path.matches('(?i)[.]scr$'))",
	} {
		src := strings.ReplaceAll(largePolicy(), "require: [{signed_by: [good]}]", "require: [{signed_by: [good]}, {if: \""+expression+"\"}]")
		p := mustParse(b, src)
		f := facts(b, "https://shared.example/p4995/a/b/App.exe", signedAs("Good"))
		f.Update.Format, f.Update.Size = "msi", 1<<30
		f.Report.Contents = &verify.Contents{Files: 100}
		for i := range 100 {
			f.Report.Contents.Inner = append(f.Report.Contents.Inner, verify.Inner{Path: fmt.Sprintf("a.cab/file-%d.dll", i), Format: "pe", Size: 1000})
		}
		if d := p.Decide(f); d.Action != Allow {
			b.Fatalf("%+v", d)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(f)
			}
		})
	}
}

// What an evaluation that is given up takes.
func BenchmarkDearestIf(b *testing.B) {
	p := mustParse(b, fmt.Sprintf(decidePolicy, "{if: \"contents.inner.exists(i, i.path.matches('(a|p/|x?y)*z'))\"}", thumb, sum(1)))
	f := facts(b, "https://v.example/x", signedAs("Good"))
	f.Report.Contents = &verify.Contents{Files: 50_000}
	for range 50_000 {
		f.Report.Contents.Inner = append(f.Report.Contents.Inner, verify.Inner{Path: strings.Repeat("p/", 500)})
	}
	for b.Loop() {
		p.Decide(f)
	}
}

func BenchmarkParseThousandExpressions(b *testing.B) {
	var s strings.Builder
	s.WriteString("version: 1\nanchors: {good: {authenticode: {organization: Good}}}\nchannels:\n")
	for i := range 1000 {
		fmt.Fprintf(&s, "- {name: c%d, hosts: [dl.vendor%d.example], require: [{if: \"update.size < %d * MiB && update.format in ['msi', 'dmg'] && signers.exists(s, s.organization == 'Vendor %d')\"}]}\n", i, i, i+1, i)
	}
	data := []byte(s.String())
	for b.Loop() {
		if _, err := Parse("p", nil, data); err != nil {
			b.Fatal(err)
		}
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
