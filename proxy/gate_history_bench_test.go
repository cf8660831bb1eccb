package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// BenchmarkHistory measures what history adds to the verdict about a small file (10 KiB): "without" is a gate that remembers nothing,
// "with" one that asks the history and has it advance, for files that are all new, for one that everybody fetches, and for one that one
// client fetches again and again. median-us is the median of a whole request in microseconds.
func BenchmarkHistory(b *testing.B) {
	for _, remembers := range []bool{false, true} {
		for _, which := range []string{"new", "shared", "again"} {
			b.Run(fmt.Sprintf("remembers=%v/%s", remembers, which), func(b *testing.B) { benchmarkHistory(b, remembers, which) })
		}
	}
}

func benchmarkHistory(b *testing.B, remembers bool, which string) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Etag", `"`+q.URL.Path+`"`)
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Write(program(10<<10, "stamped by Acme;"+q.URL.Path))
	}))
	defer origin.Close()
	dir := b.TempDir()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	log, err := audit.Open(filepath.Join(dir, "log"), audit.Options{})
	must(err)
	defer log.Close()
	vault, err := quarantine.Open(filepath.Join(dir, "vault"), quarantine.Options{Quota: 8 << 30, Items: 1 << 20})
	must(err)
	defer vault.Close()
	memory, err := NewMemory(filepath.Join(dir, "memory"))
	must(err)
	p, err := policy.Parse("policy.yaml", fstest.MapFS{}, []byte(pastPolicy("{signed_by: [acme]}")))
	must(err)
	o := GateOptions{
		Policy: func() *policy.Policy { return p }, Upstream: toOrigin(origin), Vault: vault, Append: log.Append,
		Examiner: &verify.Examiner{Verifiers: []verify.Verifier{&stampVerifier{}}}, Memory: memory, Releases: &Releases{}, Metrics: NewMetrics(),
	}
	if remembers {
		reports, err := audit.OpenReports(filepath.Join(dir, "reports"))
		must(err)
		defer reports.Close()
		l, err := ledger.Open(dir, filepath.Join(dir, "log"), ledger.Options{Report: reports.Load})
		must(err)
		defer l.Close()
		must(l.CatchUp(b.Context()))
		o.Advance = func(rec audit.Record, rep *verify.Report) { l.Add(rec, rep) }
		o.Inquirer = &Inquirer{Reports: reports, Recalls: l.Recalls, Past: func(q PastQuery) (policy.History, error) {
			return l.Of(ledger.Query{SHA256: q.SHA256, URL: q.URL, Client: ledger.ClientName(q.Client.Addr.String(), q.Client.User), Editions: q.Editions, Now: q.Now})
		}, Record: func(id string) (audit.Record, error) { return audit.Show(b.Context(), filepath.Join(dir, "log"), id) }}
	}
	g, err := NewGate(o)
	must(err)
	defer g.Shutdown(b.Context())
	var n atomic.Int64
	var took []time.Duration
	for b.Loop() {
		i := n.Add(1)
		path := "/dl/app-1.0.exe"
		if which == "new" {
			path = fmt.Sprintf("/dl/app-1.%d.exe", i)
		}
		req, _ := http.NewRequest(http.MethodGet, "https://origin.example"+path, nil)
		client := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if which == "again" {
			client = netip.AddrFrom4([4]byte{10})
		}
		s := newSession(policy.Client{Addr: client})
		s.Inspect = true
		began := time.Now()
		resp, _ := g.RoundTrip(s.in(req))
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		took = append(took, time.Since(began))
		if resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-us")
}
