package policy

import (
	"fmt"
	"strings"
	"testing"
)

// thousandChannels is a policy of 1,000 channels that ask for all there is about age and history, and of 10,000 deny rules.
func thousandChannels() string {
	var b strings.Builder
	b.WriteString("version: 1\nanchors: {good: {authenticode: {organization: Good}}}\nfeeds: {bad: {file: bad.txt}}\ndeny:\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "- {name: host %d, hosts: [h%d.evil.example]}\n- {name: file %d, sha256: [%064x]}\n", i, i, i, i+1)
	}
	b.WriteString("channels:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "- {name: c%d, hosts: [dl.vendor%d.example, shared.example], paths: [\"/p%d/**/*.{msi,exe}\"], require: [{signed_by: [good]}, {min_age: 14d}, "+
			"{no_downgrade: true}, {same_publisher: true}, {never_weaker: true}, {one_view: true}, {not_listed: [bad]}, {if: \"update.size < 2 * GiB && newer_than('1.0')\"}]}\n", i, i, i)
	}
	return b.String()
}

// What a decision and a plan take under a thousand channels and ten thousand deny rules, with 64 releases in the past.
func BenchmarkThousandChannels(b *testing.B) {
	p := mustParse(b, thousandChannels())
	for name, u := range map[string]string{"own-host": "https://dl.vendor999.example/p999/a/App-9.0.msi", "shared-host": "https://shared.example/p999/a/App-9.0.msi"} {
		f := facts(b, u, signedAs("Good"))
		f.Update.Name, f.Update.Size = "App-9.0.msi", 1<<20
		f.Reputation.Feeds = map[string]FeedState{"bad": {Status: FeedOK, Entries: 10}}
		f.Report.Contents = testContents(nil)
		var releases []past
		for i := range 64 {
			releases = append(releases, past{version: fmt.Sprintf("8.%d", 64-i), by: []string{"Good"}, proofs: []string{"signed", "signed:authenticode"}})
		}
		remember(p, &f, releases...)
		f.History.FirstSeen = ago(20 * day)
		if d := p.Decide(f); d.Action != Allow {
			b.Fatalf("%+v", d)
		}
		young := f
		young.History.FirstSeen = ago(day)
		if d := p.Decide(young); d.Action != Quarantine || d.Ripe.IsZero() {
			b.Fatalf("%+v", d)
		}
		b.Run(name+"/decide", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(f)
			}
		})
		b.Run(name+"/decide-young", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(young)
			}
		})
		b.Run(name+"/plan", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Plan(f.Request)
			}
		})
		b.Run(name+"/editions", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Editions(f.Request, f.Update, f.Report)
			}
		})
	}
}
