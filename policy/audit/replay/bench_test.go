package replay

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// network is what a network fetches: 40 channels, of each five products, of each 25 releases one after the other, the latest few of
// which are fetched by many machines.
type network struct {
	random *rand.Rand
	policy *policy.Policy
	text   string
}

const networkChannels = 40

// decisions is how many are judged again.
const decisions = 100_000

func newNetwork(t testing.TB) *network {
	var b strings.Builder
	b.WriteString("feeds: {bad: {url: \"https://feeds.example.com/bad.txt\"}}\nanchors:\n")
	for i := range networkChannels {
		fmt.Fprintf(&b, "  v%d: {authenticode: {organization: Vendor %d}}\n", i, i)
	}
	b.WriteString("channels:\n")
	for i := range networkChannels {
		fmt.Fprintf(&b, "- {name: c%d, hosts: [\"*.v%d.example.com\"], require: [{signed_by: [v%d]}, {contents: {signed_by: [v%d]}}, {not_listed: [bad]}, {if: \"update.size < 2 * GiB\"}]}\n", i, i, i, i)
	}
	return &network{random: rand.New(rand.NewPCG(1, 2)), text: b.String(), policy: parse(t, b.String())}
}

// facts are those of a fetch when a share of the time has passed. One release in twenty is signed by nobody.
func (n *network) facts(share float64) policy.Facts {
	vendor := n.random.IntN(networkChannels)
	product, release, client := n.random.IntN(5), max(0, int(share*25)-n.random.IntN(3)), n.random.IntN(2000)
	name := fmt.Sprintf("product%d-%d.%d.0.msi", product, release/10, release%10)
	u, _ := url.Parse(fmt.Sprintf("https://dl.v%d.example.com/releases/%s?session=abcdef", vendor, name))
	sum := func(i int) verify.Digest { return sha256.Sum256(fmt.Append(nil, vendor, product, release, i)) }
	identity := verify.Identity{
		Name: fmt.Sprintf("Vendor %d", vendor), Organization: fmt.Sprintf("Vendor %d", vendor), CommonName: fmt.Sprintf("Vendor %d", vendor), Country: "DE",
		Issuer: "Example Code Signing CA R3", Root: "Example Root", RootFingerprint: sum(-2).String(), Fingerprint: sum(-3).String(),
	}
	signed := verify.Finding{Method: "authenticode", Status: verify.Valid, Code: "authenticode/signed", Signer: identity, SignedAt: began, NotAfter: began.AddDate(1, 0, 0),
		Detail: "signed with SHA-256 and a timestamp of 2026-11-01T08:00:00Z by Example Timestamping"}
	report := verify.Report{Product: fmt.Sprintf("Product %d", product), Version: fmt.Sprintf("%d.%d.0", release/10, release%10), System: "msi", Findings: []verify.Finding{signed}}
	if (vendor*500+product*100+release)%20 == 0 {
		report.Findings[0] = unsigned
	}
	report.Contents = &verify.Contents{Files: 60, Bytes: 80 << 20, Executables: 20, Containers: 2, Depth: 2}
	for i := range 20 {
		inner := verify.Inner{Path: fmt.Sprintf("disk1.cab/library%d.dll", i), Format: "pe", Size: 1 << 20, SHA256: sum(i), Facts: map[string]string{"company": identity.Name, "version": report.Version}}
		report.Contents.Inner = append(report.Contents.Inner, inner)
		one := signed
		one.Subject = inner.Path
		report.Findings = append(report.Findings, one)
	}
	channel := fmt.Sprintf("c%d", vendor)
	past := policy.Past{Product: report.Product}
	for i := range 6 {
		past.Releases = append(past.Releases, policy.PastRelease{Name: name, Version: fmt.Sprintf("0.%d.0", i), System: "msi", SHA256: sum(100 + i),
			Publishers: []string{"organization: " + identity.Name}, Proofs: []string{"signed", "timestamped"}, At: began, Record: "019A0000000000000000000000"})
	}
	return policy.Facts{
		Request: policy.Request{Method: "GET", URL: u, Client: policy.Client{Addr: netip.AddrFrom4([4]byte{10, 0, byte(client >> 8), byte(client)})}},
		Update:  policy.Update{Name: name, Format: "msi", Size: 40 << 20, SHA256: sum(-1)}, Report: report,
		History:    policy.History{Known: true, FirstSeen: began, Past: map[string]policy.Past{channel: past}, Requests: int64(client), Allowed: int64(client)},
		Reputation: policy.Reputation{Feeds: map[string]policy.FeedState{"bad": {Status: policy.FeedOK, Success: began, Entries: 100_000}}},
	}
}

// log records so many decisions of the network.
func (n *network) log(t testing.TB, records int) *rig {
	r := newRig(t)
	const batch = 1000
	for from := 0; from < records; from += batch {
		all := make([]audit.Record, min(batch, records-from))
		for i := range all {
			f := n.facts(float64(from+i) / float64(records))
			f.Now = began.Add(time.Duration(from+i) * 25 * time.Second)
			f.History.Editions = n.policy.Editions(f.Request, f.Update, f.Report)
			all[i] = recordOf(t, n.policy, f, r.reports)
		}
		var wg sync.WaitGroup
		for i := range all {
			wg.Go(func() {
				if _, err := r.log.Append(all[i]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	return r
}

// BenchmarkReplay judges 100,000 decisions of a network again by a changed policy.
func BenchmarkReplay(b *testing.B) {
	n := newNetwork(b)
	r := n.log(b, decisions)
	_, size := r.log.Size()
	changed := parse(b, strings.Replace(n.text, "v7: {authenticode: {organization: Vendor 7}}", "v7: {authenticode: {organization: Vendor Seven}}", 1))
	defer debug.SetGCPercent(debug.SetGCPercent(300)) // as the command does
	before := cpuSeconds()
	b.ResetTimer()
	for b.Loop() {
		out, err := Run(context.Background(), Options{Log: r.dir + "/log", Reports: r.reports, Policy: changed})
		if err != nil || out.Decisions != decisions || out.Counts.Refused == 0 || out.Counts.Open != 0 {
			b.Fatalf("%+v, %v", out.Counts, err)
		}
	}
	b.ReportMetric(float64(size)/decisions, "B/record")
	b.ReportMetric(decisions*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric((cpuSeconds()-before)/float64(b.N), "cpu-s/op") // what it costs where others are at work, too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-sys")
}

// BenchmarkLoosening compares two policies by what was refused, about 5,000 of 100,000 decisions.
func BenchmarkLoosening(b *testing.B) {
	n := newNetwork(b)
	r := n.log(b, decisions)
	r.at = began.Add(decisions * 25 * time.Second)
	changed := parse(b, strings.Replace(n.text, "v7: {authenticode: {organization: Vendor 7}}", "v7: {authenticode: {organization: Vendor Seven}}", 1))
	b.ResetTimer()
	for b.Loop() {
		out := r.loosening(n.policy, changed)
		b.ReportMetric(float64(out.Judged), "refusals")
	}
}
