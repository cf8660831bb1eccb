package proxy

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// feed is a list on a server that may be out of order.
type feed struct {
	server *httptest.Server
	list   atomic.Pointer[string] // nil: out of order
	asked  atomic.Int32
}

func newFeed(t *testing.T) *feed {
	f := &feed{}
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f.asked.Add(1)
		list := f.list.Load()
		if list == nil {
			http.Error(w, "out of order", http.StatusBadGateway)
			return
		}
		io.WriteString(w, *list)
	}))
	t.Cleanup(f.server.Close)
	return f
}

func (f *feed) says(lines ...string) {
	list := "# " + time.Now().String() + "\n" + strings.Join(lines, "\n") + "\n"
	f.list.Store(&list)
}

// withFeeds has the gate look into the feeds of its policy, which come from f. Nothing refreshes them but the test.
func (r *rig) withFeeds(f *feed, text string) *reputation.Feeds {
	r.t.Helper()
	r.setPolicy(text)
	feeds, err := reputation.Open(context.Background(), FeedsOf(r.policy.Load(), filepath.Clean), reputation.Options{
		Dir: r.t.TempDir(), Transport: toOrigin(f.server), Now: r.gate.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.gate.Feeds = feeds.View
	return feeds
}

const oneFeed = rigPolicy + `
feeds: {bad: {url: "https://feeds.example/bad.txt", max_stale: 1d}}
`

// lists makes a policy in which everything under /dl/ must be on none of the feeds.
func lists(text string) string {
	return strings.Replace(text, `paths: ["/dl/**"], require: [{signed_by: [acme]}]`, `paths: ["/dl/**"], require: [{signed_by: [acme]}, {not_listed: [bad]}]`, 1)
}

// reason is what the client is told, on one line.
func reason(a answerOf) string { return strings.Join(strings.Fields(string(a.body)), " ") }

// A list is in force until there is a better one: through an outage, until it is stale.
func TestFeedFromItsFirstLoadToItsStaleness(t *testing.T) {
	first, second := program(5000, "stamped by Acme; 1"), program(5000, "stamped by Acme; 2")
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		body := first
		if strings.HasSuffix(req.URL.Path, "/second.exe") {
			body = second
		}
		serving(body)(w, req)
	})
	f := newFeed(t)
	feeds := r.withFeeds(f, lists(oneFeed))
	refresh := func(works bool) {
		t.Helper()
		if err := feeds.Refresh(context.Background(), "bad"); (err == nil) != works {
			t.Fatalf("refreshing: %v", err)
		}
	}
	want := func(file string, status int, why string) {
		t.Helper()
		got := r.get("http://origin.example/dl/" + file)
		if got.status != status || !strings.Contains(reason(got), why) {
			t.Fatalf("%s: %d, want %d (%q): %s", file, got.status, status, why, reason(got))
		}
	}
	want("first.exe", 403, "feed bad was never loaded")
	f.says(fmt.Sprintf("%064x", 1))
	refresh(true)
	want("first.exe", 200, "")
	want("second.exe", 200, "")
	f.says(fmt.Sprintf("%x # Winnti", sha256.Sum256(first)))
	refresh(true)
	want("first.exe", 403, "the file itself is on feed bad, line 2")
	want("second.exe", 200, "")
	f.list.Store(nil)
	refresh(false)
	want("first.exe", 403, "the file itself is on feed bad, line 2")
	want("second.exe", 200, "")
	r.clock.Add(int64(25 * time.Hour))
	want("first.exe", 403, "the file itself is on feed bad, line 2")
	want("second.exe", 403, "feed bad is stale: it was last known to be the present one on")
	f.says(fmt.Sprintf("%064x", 1))
	refresh(true)
	want("first.exe", 200, "")
	want("second.exe", 200, "")
	var actions []string
	for _, rec := range r.records() {
		if rec.Kind == audit.KindDecision {
			actions = append(actions, rec.Artifact.Name+" "+rec.Decision.Action.String())
		}
	}
	// One record for each answer, although client and file are the same; none for the same answer again.
	if got := strings.Join(actions, ", "); got != "first.exe quarantine, first.exe allow, second.exe allow, first.exe quarantine, first.exe quarantine, second.exe quarantine, first.exe allow, second.exe allow" {
		t.Errorf("the log says %s", got)
	}
}

// A host is looked up that an update came from, and the one that redirected there.
func TestFeedsOfHosts(t *testing.T) {
	for listed, want := range map[string]int{"origin.example": 403, "cdn.example": 403, "elsewhere.example": 200} {
		r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
			if req.Host == "origin.example" {
				http.Redirect(w, req, "http://cdn.example/setup.exe?secret=1", http.StatusFound)
				return
			}
			serving(program(5000, "stamped by Acme;"))(w, req)
		})
		f := newFeed(t)
		f.says(listed)
		if err := r.withFeeds(f, lists(oneFeed)).Refresh(context.Background(), "bad"); err != nil {
			t.Fatal(err)
		}
		if hop := r.get("http://origin.example/dl/setup.exe"); hop.status != 302 {
			t.Fatalf("%d %s", hop.status, reason(hop))
		}
		got := r.get("http://cdn.example/setup.exe?secret=1")
		if got.status != want || want == 403 && (!strings.Contains(reason(got), "the host it came from, "+listed+", is on feed bad") || strings.Contains(reason(got), "secret")) {
			t.Errorf("%s listed: %d %s", listed, got.status, reason(got))
		}
	}
}

// countingContent counts how often its beginning is read.
type countingContent struct {
	data   []byte
	starts int
	fails  bool
}

func (c *countingContent) ReadAt(b []byte, at int64) (int, error) {
	if c.fails {
		return 0, errors.New("the disk is gone")
	}
	if at == 0 {
		c.starts++
	}
	if at >= int64(len(c.data)) {
		return 0, io.EOF
	}
	return copy(b, c.data[at:]), nil
}

func TestUpdatesAreReadAgainOnlyForListsThatNeedIt(t *testing.T) {
	dir := t.TempDir()
	data := program(3<<20, "x")
	write := func(name, line string) reputation.Feed {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return reputation.Feed{Name: name, File: path}
	}
	feeds, err := reputation.Open(context.Background(), []reputation.Feed{
		write("long", fmt.Sprintf("%064x", 1)), write("short", fmt.Sprintf("%x", md5.Sum(data))),
	}, reputation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	content := &countingContent{data: data}
	lookup := Lookup{View: feeds.View(), Sums: new(Sums), At: time.Now(), Artifact: &verify.Artifact{
		Size: int64(len(data)), Content: content, Digests: verify.Digests{SHA256: sha256.Sum256(data)},
	}}
	for i, c := range []struct {
		feeds  []string
		starts int
		hits   int
	}{{nil, 0, 0}, {[]string{"long"}, 0, 0}, {[]string{"short"}, 1, 1}, {[]string{"long", "short"}, 1, 1}} {
		lookup.Feeds = c.feeds
		got, err := lookup.Reputation(context.Background())
		if err != nil {
			t.Error(err)
		}
		if content.starts != c.starts || len(got.Listings) != c.hits || len(got.Incomplete) > 0 || len(got.Feeds) != len(c.feeds) {
			t.Errorf("%d: read %d times: %+v", i, content.starts, got)
		}
	}
	content.fails, lookup.Sums = true, nil
	if got, err := lookup.Reputation(context.Background()); len(got.Incomplete) != 1 || strings.Contains(got.Incomplete[0], "disk") || err == nil || !strings.Contains(err.Error(), "the disk is gone") {
		t.Errorf("%+v, %v", got, err)
	}
	content.fails = false
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := lookup.Reputation(ended); len(got.Incomplete) != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPackagesOfStatements(t *testing.T) {
	report := verify.Report{Findings: []verify.Finding{
		{Attestation: &verify.Attestation{Package: "pkg:npm/%40scope/name@1.2.3"}}, {Attestation: &verify.Attestation{Package: "pkg:npm/%40scope/name@1.2.3"}},
		{Subject: "inner", Attestation: &verify.Attestation{Package: "pkg:npm/other@1"}}, {Attestation: &verify.Attestation{Package: "no purl"}}, {},
	}}
	if got := packagesOf(report); len(got) != 1 || got[0].String() != "npm/@scope/name@1.2.3" {
		t.Errorf("%v", got)
	}
}

func TestFeedMetrics(t *testing.T) {
	m := NewMetrics()
	m.WatchFeeds(func() []reputation.State {
		return []reputation.State{
			{Feed: "a", Status: reputation.Fresh, Entries: 5, Success: time.Now().Add(-time.Hour)}, {Feed: "b", Failures: 3}, {Feed: "c", Status: reputation.Stale, Entries: 1, Success: time.Now()},
		}
	})
	got := series(t, m)
	for key, want := range map[string]float64{
		"entries{feed=a}": 5, "entries{feed=b}": 0, "usable{feed=a}": 1, "usable{feed=b}": 0, "usable{feed=c}": 0, "failures{feed=b}": 3,
	} {
		if value, ok := got["sallyport_feed_"+key]; !ok || value != want {
			t.Errorf("%s is %v, not %v", key, value, want)
		}
	}
	if age := got["sallyport_feed_age_seconds{feed=a}"]; age < 3600 || age > 7200 {
		t.Errorf("age %v", age)
	}
	if _, ok := got["sallyport_feed_age_seconds{feed=b}"]; ok {
		t.Error("what was never loaded has an age")
	}
}

// Every key of a feed reaches the package that reads lists.
func TestFeedsOfAPolicy(t *testing.T) {
	p, err := policy.Parse("p.yaml", nil, []byte(`version: 1
feeds:
  a: {url: "https://x.example/a.csv", format: csv, column: 2, values: file, refresh: 5m, timeout: 10s, sha256_url: a.sha256, max_size: 1MiB, max_entries: 10, max_unreadable: 0, max_shrink: 0.25, allow_empty: true, max_stale: 1d, max_age: 2w, on_stale: use}
  b: {file: b.txt, good: true, sha256: `+fmt.Sprintf("%064x", 1)+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := FeedsOf(p, func(name string) string { return "/etc/" + name })
	want := []string{
		`{a  https://x.example/a.csv {csv 2 file false 10 -1} map[] 5m0s 10s 1048576 ` + verify.Digest{}.String() + ` a.sha256 24h0m0s 336h0m0s 0.25 true}`,
		`{b /etc/b.txt  {   true 0 0} map[] 0s 0s 0 ` + verify.Digest{31: 1}.String() + `  0s 0s 0 false}`,
	}
	for i := range got {
		if text := fmt.Sprint(got[i]); text != want[i] {
			t.Errorf("got  %s\nwant %s", text, want[i])
		}
		if err := got[i].Check(); err != nil {
			t.Error(err)
		}
	}
	if !slices.ContainsFunc(got, func(f reputation.Feed) bool { return f.Good }) || len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

// An update with 5,000 files inside, looked up in a list of 100,000.
func BenchmarkLookup(b *testing.B) {
	var list strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&list, "%x\n", sha256.Sum256(fmt.Append(nil, i)))
	}
	path := filepath.Join(b.TempDir(), "list")
	if err := os.WriteFile(path, []byte(list.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	feeds, err := reputation.Open(context.Background(), []reputation.Feed{{Name: "bad", File: path}}, reputation.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	report := verify.Report{Contents: &verify.Contents{}}
	for i := range 5000 {
		report.Contents.Inner = append(report.Contents.Inner, verify.Inner{Path: fmt.Sprint(i), SHA256: sha256.Sum256(fmt.Append(nil, "inner", i))})
	}
	lookup := Lookup{View: feeds.View(), Feeds: []string{"bad"}, Artifact: &verify.Artifact{Digests: verify.Digests{SHA256: verify.Digest{1}}}, Report: report, At: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := lookup.Reputation(context.Background()); err != nil || len(r.Listings) > 0 {
			b.Fatal(r, err)
		}
	}
}

// A gate that is being shut down lets nothing through that it could not look up any more: a deny rule that is not heard blocks nothing.
func TestNothingIsAllowedUnheardAtShutdown(t *testing.T) {
	data := program(5000, "stamped by Acme;")
	r := newRig(t, serving(data))
	f := newFeed(t)
	f.says(fmt.Sprintf("%064x", 1))
	feeds := r.withFeeds(f, oneFeed+"deny: [{name: known, listed: {feeds: [bad], inside: false}}]\n")
	if err := feeds.Refresh(context.Background(), "bad"); err != nil {
		t.Fatal(err)
	}
	if got := r.get("http://origin.example/dl/setup.exe"); got.status != 200 {
		t.Fatalf("%d %s", got.status, reason(got))
	}
	var looks atomic.Int32
	r.gate.Feeds = func() *reputation.View {
		if looks.Add(1) == 2 { // the first is when the file has come, the second for the verdict
			f.says(fmt.Sprintf("%x", md5.Sum(data)))
			if err := feeds.Refresh(context.Background(), "bad"); err != nil {
				t.Error(err)
			}
			r.gate.close()
		}
		return feeds.View()
	}
	if got := r.get("http://origin.example/dl/again.exe"); got.status != 503 || !strings.Contains(reason(got), "being stopped") {
		t.Errorf("%d %s", got.status, reason(got))
	}
	if looks.Load() < 2 {
		t.Errorf("it was looked into %d times", looks.Load())
	}
}
