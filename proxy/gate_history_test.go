package proxy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// pastRig is a gate that remembers: with a real log, vault, ledger and store of reports, in one directory, which can be closed and opened
// again.
type pastRig struct {
	*rig
	dir     string
	ledger  *ledger.Ledger
	reports *audit.Reports
	close   func()
}

func newPastRig(t *testing.T, origin http.HandlerFunc, policyText string) *pastRig {
	t.Helper()
	r := &pastRig{rig: &rig{t: t, stamp: &stampVerifier{}}, dir: t.TempDir()}
	r.origin = httptest.NewServer(origin)
	t.Cleanup(r.origin.Close)
	r.setPolicy(policyText)
	r.open()
	t.Cleanup(func() { r.close() })
	return r
}

func (r *pastRig) now() time.Time { return time.Now().Add(time.Duration(r.clock.Load())) }

func (r *pastRig) open() {
	t := r.t
	t.Helper()
	var err error
	must := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	logDir := filepath.Join(r.dir, "log")
	r.log, err = audit.Open(logDir, audit.Options{Now: r.now})
	must()
	r.vault, err = quarantine.Open(filepath.Join(r.dir, "vault"), quarantine.Options{Quota: 1 << 30, Now: r.now})
	must()
	r.reports, err = audit.OpenReports(filepath.Join(r.dir, "reports"))
	must()
	r.ledger, err = ledger.Open(r.dir, logDir, ledger.Options{Report: r.reports.Load, Warn: func(err error) { t.Log("ledger:", err) }})
	must()
	err = r.ledger.CatchUp(t.Context())
	must()
	memory, err := NewMemory(filepath.Join(r.dir, "memory"))
	must()
	r.gate, err = NewGate(GateOptions{
		Policy: r.policy.Load, Upstream: toOrigin(r.origin), Vault: r.vault, Append: r.append, Examiner: &verify.Examiner{Verifiers: []verify.Verifier{r.stamp}},
		Memory: memory, Releases: &Releases{}, Metrics: NewMetrics(), Logger: zaptest.NewLogger(t), MaxUpdate: 64 << 20, Linger: time.Second, Now: r.now,
		Advance: func(rec audit.Record, rep *verify.Report) { r.ledger.Add(rec, rep) },
		Inquirer: &Inquirer{
			Past: func(q PastQuery) (policy.History, error) {
				return r.ledger.Of(ledger.Query{SHA256: q.SHA256, URL: q.URL, Began: q.Began, Client: ledger.ClientName(q.Client.Addr.String(), q.Client.User), Editions: q.Editions, Now: q.Now})
			},
			Address: r.ledger.Address, Recalls: r.ledger.Recalls, Reports: r.reports,
			Record: func(id string) (audit.Record, error) { return audit.Show(context.Background(), logDir, id) },
		},
	})
	must()
	ctx, stop := context.WithCancel(context.Background())
	ripened := make(chan struct{})
	ripening := r.gate.Ripening()
	go func() {
		defer close(ripened)
		ripening.Run(ctx, func(file verify.Digest, scope string) (audit.Record, error) {
			recs, err := audit.List(context.Background(), logDir, audit.Filter{Kind: audit.KindDecision, SHA256: file, Channel: scope, Limit: 1})
			if err != nil || len(recs) == 0 {
				return audit.Record{}, audit.ErrNotFound
			}
			return recs[0], nil
		})
	}()
	var once sync.Once
	r.close = func() {
		once.Do(func() {
			stop()
			<-ripened
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			for _, err := range []error{r.gate.Shutdown(ctx), r.vault.Close(), r.ledger.Close(), r.reports.Close(), r.log.Close()} {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func (r *rig) append(rec audit.Record) (audit.Receipt, error) {
	receipt, err := r.log.Append(rec)
	if err == nil {
		rec.ID, rec.Time = receipt.ID(), receipt.Time()
		r.mu.Lock()
		r.logged = append(r.logged, rec)
		r.mu.Unlock()
	}
	return receipt, err
}

// again closes everything and opens it again.
func (r *pastRig) again() {
	r.t.Helper()
	r.close()
	r.open()
}

func (r *pastRig) move(d time.Duration) { r.clock.Add(int64(d)) }

// lastDecision returns the newest decision in the log.
func (r *pastRig) lastDecision() audit.Record {
	r.t.Helper()
	recs := r.records()
	for i := len(recs) - 1; i >= 0; i-- {
		if recs[i].Kind == audit.KindDecision {
			return recs[i]
		}
	}
	r.t.Fatal("there is no decision in the log")
	return audit.Record{}
}

func (r *pastRig) decisions() (n int) {
	for _, rec := range r.records() {
		if rec.Kind == audit.KindDecision {
			n++
		}
	}
	return n
}

// shelf serves what is put on it, by path; a file may differ by User-Agent.
type shelf struct {
	mu    sync.Mutex
	by    map[string][]byte
	extra http.Header
	asked atomic.Int32
}

func (s *shelf) put(path string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string][]byte{}
	}
	s.by[path] = body
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	s.mu.Lock()
	body, ok := s.by[r.URL.Path+" "+r.UserAgent()]
	if !ok {
		body, ok = s.by[r.URL.Path]
	}
	for name, lines := range s.extra {
		w.Header()[name] = lines
	}
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(body)
	w.Header().Set("Etag", fmt.Sprintf("\"%x\"", sum[:8]))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(body)))
}

// pastPolicy is a policy whose channel app has the requirements.
func pastPolicy(requirements ...string) string {
	return `version: 1
defaults: {hosts: inspect, unproven: quarantine}
anchors:
  acme: {authenticode: {organization: Acme}}
channels:
- {name: app, hosts: [origin.example], paths: ["/dl/**"], version: "app-{version}.exe", require: [` + strings.Join(requirements, ", ") + `]}
- {name: other, hosts: [origin.example], paths: ["/other/**"], require: []}
`
}

// refusedFor checks that an answer and the newest record name a requirement as what was not proven.
func (r *pastRig) refusedFor(got answerOf, requirement string) {
	r.t.Helper()
	d := r.lastDecision().Decision
	if got.status != http.StatusForbidden || !strings.Contains(string(got.body), requirement+": ") {
		r.t.Errorf("status %d: %s; want a refusal by %s", got.status, got.body, requirement)
	}
	if d.Action == policy.Allow || len(d.Reasons) == 0 || !strings.HasPrefix(d.Reasons[0], requirement) {
		r.t.Errorf("the record says %s: %q; want a refusal by %s", d.Action, d.Reasons, requirement)
	}
}

func (r *pastRig) allowed(got answerOf) {
	r.t.Helper()
	if got.status != http.StatusOK {
		r.t.Fatalf("status %d: %s", got.status, got.body)
	}
}

// Two clients that race with two different files of one address and version never both win: the second decision knows of the first.
func TestTheSecondDecisionSeesTheFirst(t *testing.T) {
	s := &shelf{}
	r := newPastRig(t, s.ServeHTTP, pastPolicy("{one_view: true}"))
	for round := range 10 {
		path := fmt.Sprintf("/dl/app-1.%d.exe", round)
		s.put(path+" left", program(1000, fmt.Sprint("left", round, ";")))
		s.put(path+" right", program(1000, fmt.Sprint("right", round, ";")))
		var both sync.WaitGroup
		var got [2]answerOf
		for i, agent := range []string{"left", "right"} {
			both.Go(func() {
				got[i] = r.do(fmt.Sprintf("192.0.2.%d", i+1), http.MethodGet, "https://origin.example"+path, "User-Agent", agent)
			})
		}
		both.Wait()
		won := 0
		for _, g := range got {
			switch {
			case g.status == http.StatusOK:
				won++
			case !strings.Contains(string(g.body), "one_view: other bytes were given to others"):
				t.Errorf("%d: status %d: %s", round, g.status, g.body)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d of two files under one address were let through", round, won)
		}
	}
}

func TestHistoryRefusals(t *testing.T) {
	s := &shelf{}
	r := newPastRig(t, s.ServeHTTP, pastPolicy("{no_downgrade: true}", "{same_publisher: true}", "{never_weaker: true}"))
	put := func(version, stamp string) string {
		s.put("/dl/app-"+version+".exe", program(1000, "v"+version+";"+stamp))
		return "https://origin.example/dl/app-" + version + ".exe"
	}
	acme := "stamped by Acme;"
	r.allowed(r.get(put("2.0", acme)))
	r.allowed(r.get(put("2.1", acme)))
	r.refusedFor(r.get(put("2.0.9", acme)), "no_downgrade")
	r.refusedFor(r.get(put("2.2", "stamped by Mallory;")), "same_publisher")
	r.refusedFor(r.get(put("2.3", "")), "same_publisher")
	if reasons := r.lastDecision().Decision.Reasons; !strings.Contains(strings.Join(reasons, "\n"), "never_weaker: ") {
		t.Errorf("%q", reasons)
	}
	r.setPolicy(pastPolicy("{never_weaker: true}"))
	r.refusedFor(r.get(put("2.4", "")), "never_weaker")
	r.again()
	r.refusedFor(r.get(put("2.5", "")), "never_weaker")
	r.setPolicy(pastPolicy("{no_downgrade: true}"))
	r.refusedFor(r.get(put("2.0.9", acme)), "no_downgrade")
	r.allowed(r.get(put("2.1.1", acme)))
	rec := r.lastDecision()
	if len(rec.Editions) != 1 || rec.Editions[0].Version != "2.1.1" || rec.Report.IsZero() || rec.Facts == nil || rec.Facts.History == nil {
		t.Errorf("%+v", rec)
	}
}

// What history makes of a decision is judged anew every time: an answer that is in the log already is not used again where it would
// leave a release out, or an address.
func TestReceiptsAreNotReusedAcrossHistory(t *testing.T) {
	s := &shelf{}
	one, two := program(1000, "one;"), program(1000, "two;")
	s.put("/dl/app-1.0.exe", one)
	s.put("/dl/app-1.1.exe", two)
	s.put("/dl/copy/app-1.0.exe", one)
	r := newPastRig(t, s.ServeHTTP, pastPolicy())
	count := func(path string, want int) {
		t.Helper()
		before := r.decisions()
		r.allowed(r.get("https://origin.example" + path))
		if got := r.decisions() - before; got != want {
			t.Errorf("%s: %d new records, want %d", path, got, want)
		}
	}
	count("/dl/app-1.0.exe", 1)
	count("/dl/app-1.0.exe", 0)
	count("/dl/copy/app-1.0.exe", 1)
	count("/dl/app-1.1.exe", 1)
	count("/dl/app-1.1.exe", 0)
	count("/dl/app-1.0.exe", 1) // it is the latest again
	count("/dl/app-1.0.exe", 0)
}

// Observed decisions are no history, and neither are refusals.
func TestOnlyWhatIsLetThroughIsHistory(t *testing.T) {
	s := &shelf{}
	s.put("/dl/app-9.0.exe", program(1000, "nine;"))
	s.put("/dl/app-1.0.exe", program(1000, "one;"))
	s.put("/dl/app-0.9.exe", program(1000, "zero;"))
	observed := strings.Replace(pastPolicy("{no_downgrade: true}"), "require:", "mode: observe, require:", 1)
	r := newPastRig(t, s.ServeHTTP, observed)
	r.allowed(r.get("https://origin.example/dl/app-9.0.exe"))
	r.setPolicy(pastPolicy("{no_downgrade: true}"))
	r.allowed(r.get("https://origin.example/dl/app-1.0.exe"))
	r.refusedFor(r.get("https://origin.example/dl/app-0.9.exe"), "no_downgrade")
	r.setPolicy(observed)
	r.allowed(r.get("https://origin.example/dl/app-0.9.exe"))
	if d := r.lastDecision().Decision; !d.Observed || d.Action == policy.Allow {
		t.Errorf("%+v", d)
	}
}

// What is for one client alone is no view for others; and whoever says so of what he sends cannot have one_view hold by that.
func TestPrivateAnswersAreNoView(t *testing.T) {
	s := &shelf{extra: http.Header{"Cache-Control": {"private"}}}
	s.put("/dl/app-1.0.exe left", program(1000, "left;"))
	s.put("/dl/app-1.0.exe", program(1000, "public;"))
	r := newPastRig(t, s.ServeHTTP, pastPolicy("{one_view: true}"))
	got := r.do("192.0.2.1", http.MethodGet, "https://origin.example/dl/app-1.0.exe", "User-Agent", "left")
	r.refusedFor(got, "one_view")
	if rec := r.lastDecision(); !rec.Private || !strings.Contains(string(got.body), "for this client alone") {
		t.Errorf("private %v: %s", rec.Private, got.body)
	}
	s.mu.Lock()
	s.extra = nil
	s.mu.Unlock()
	r.allowed(r.do("192.0.2.2", http.MethodGet, "https://origin.example/dl/app-1.0.exe"))
	got = r.do("192.0.2.3", http.MethodGet, "https://origin.example/dl/app-1.0.exe", "User-Agent", "left", "Authorization", "Bearer x")
	if rec := r.lastDecision(); got.status != http.StatusForbidden || !rec.Private {
		t.Errorf("status %d, private %v: %s", got.status, rec.Private, got.body)
	}
	r.allowed(r.do("192.0.2.2", http.MethodGet, "https://origin.example/dl/app-1.0.exe"))
}

// twoFaced serves something else to whoever asks first for a path, and notes the fields of all requests.
type twoFaced struct {
	mu     sync.Mutex
	first  map[string][]byte // by path; nil: as the others
	others map[string][]byte
	asked  map[string][]http.Header
}

func (o *twoFaced) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	body := o.others[r.URL.Path]
	if special := o.first[r.URL.Path]; special != nil && len(o.asked[r.URL.Path]) == 0 {
		body = special
	}
	o.asked[r.URL.Path] = append(o.asked[r.URL.Path], r.Header.Clone())
	o.mu.Unlock()
	if body == nil {
		http.NotFound(w, r)
		return
	}
	w.Write(body)
}

// An origin that does not give everybody the same is found out, and what a client sends of itself does not go there.
func TestSecondLookThroughTheGate(t *testing.T) {
	good, bad := program(1000, "good;"), program(1000, "bad;")
	o := &twoFaced{asked: map[string][]http.Header{},
		first:  map[string][]byte{"/dl/app-2.0.exe": bad, "/dl/app-3.0.exe": bad},
		others: map[string][]byte{"/dl/app-1.0.exe": good, "/dl/app-2.0.exe": good}}
	r := newPastRig(t, o.ServeHTTP, pastPolicy("{one_view: {second_look: true}}"))
	r.allowed(r.get("https://origin.example/dl/app-1.0.exe", "Accept-Language", "de", "Via", "1.1 front", "Referer", "https://a.example/", "Accept", "a/b", "User-Agent", "updater"))
	want := http.Header{"User-Agent": {"updater"}, "Accept": {"a/b"}, "Accept-Encoding": {"identity"}, "Via": {"1.1 front"}}
	for i, got := range o.asked["/dl/app-1.0.exe"] {
		if !reflect.DeepEqual(got, want) { // the first and the second alike
			t.Errorf("request %d: %q, want %q", i, got, want)
		}
	}
	if n := len(o.asked["/dl/app-1.0.exe"]); n != 2 {
		t.Errorf("asked %d times", n)
	}
	r.allowed(r.get("https://origin.example/dl/app-1.0.exe", "Accept", "a/b", "User-Agent", "updater"))
	if n := len(o.asked["/dl/app-1.0.exe"]); n > 3 {
		t.Errorf("the origin was asked %d times for what it has confirmed", n)
	}
	got := r.get("https://origin.example/dl/app-2.0.exe")
	r.refusedFor(got, "one_view")
	if !strings.Contains(string(got.body), "the origin gave other bytes at a second look") {
		t.Errorf("%s", got.body)
	}
	if second := r.lastDecision().Facts.History.Second; second.SHA256 != sha256.Sum256(good) {
		t.Errorf("%+v", second)
	}
	r.refusedFor(r.get("https://origin.example/dl/app-3.0.exe"), "one_view")
	before := len(o.asked["/dl/app-1.0.exe"])
	r.refusedFor(r.get("https://origin.example/dl/app-1.0.exe", "Authorization", "Bearer x", "Cookie", "a=b"), "one_view")
	if n := len(o.asked["/dl/app-1.0.exe"]) - before; n != 1 {
		t.Errorf("the origin was asked %d times with what a client had sent", n)
	}
}

// A kill between the record and the history loses nothing: the log is read on at the next start.
func TestHistoryIsReadFromTheLogAfterACrash(t *testing.T) {
	s := &shelf{}
	r := newPastRig(t, s.ServeHTTP, pastPolicy("{no_downgrade: true}"))
	s.put("/dl/app-1.0.exe", program(1000, "one;"))
	s.put("/dl/app-3.0.exe", program(1000, "three;"))
	s.put("/dl/app-2.0.exe", program(1000, "two;"))
	r.allowed(r.get("https://origin.example/dl/app-1.0.exe"))
	r.gate.Advance = func(audit.Record, *verify.Report) {} // as if the process had died there
	r.allowed(r.get("https://origin.example/dl/app-3.0.exe"))
	r.again()
	r.refusedFor(r.get("https://origin.example/dl/app-2.0.exe"), "no_downgrade")
}

// What was let through by a rule that names nothing else is compared with the release before.
func TestChangesAgainstTheReleaseBefore(t *testing.T) {
	s := &shelf{}
	r := newPastRig(t, s.ServeHTTP, pastPolicy())
	s.put("/dl/app-1.0.exe", program(1000, "stamped by Acme;"))
	s.put("/dl/app-1.1.exe", program(2000, "stamped by Bolt;"))
	r.allowed(r.get("https://origin.example/dl/app-1.0.exe"))
	if c := r.lastDecision().Facts; c != nil && len(c.Changes) > 0 {
		t.Errorf("changes against nothing: %+v", c.Changes)
	}
	for range 2 {
		r.allowed(r.get("https://origin.example/dl/app-1.1.exe"))
		c := r.lastDecision().Facts
		if c == nil || len(c.Changes) != 1 || c.Changes[0].Against.Version != "1.0" || c.Changes[0].Channel != "app" || c.Changes[0].Size != [2]int64{1000, 2000} {
			t.Errorf("%+v", c)
		}
		r.again()
	}
}

// Where redirects lead to addresses that are others each time, files are compared under the one that was asked for.
func TestViewsUnderTheAddressThatWasAskedFor(t *testing.T) {
	var served atomic.Int32
	bodies := [][]byte{program(1000, "one;"), program(1000, "two;"), program(1000, "three;")}
	r := newPastRig(t, func(w http.ResponseWriter, q *http.Request) {
		n := served.Load()
		switch {
		case q.Host == "store.example":
			w.Write(bodies[n])
		case strings.HasPrefix(q.URL.Path, "/dl/hop/"):
			http.Redirect(w, q, fmt.Sprintf("https://store.example/%d?signature=%d", n, n), http.StatusFound)
		default: // over an address of the channel's own that is another one each time
			http.Redirect(w, q, fmt.Sprintf("/dl/hop/%d.exe", n), http.StatusFound)
		}
	}, strings.Replace(pastPolicy("{one_view: true}"), `version: "app-{version}.exe", `, "", 1))
	fetch := func(client, path string) answerOf {
		t.Helper()
		target := "https://origin.example" + path
		for range 3 {
			got := r.do(client, http.MethodGet, target)
			if got.status != http.StatusFound {
				return got
			}
			target = got.header.Get("Location")
			if strings.HasPrefix(target, "/") {
				target = "https://origin.example" + target
			}
		}
		t.Fatal("it is redirected again and again")
		return answerOf{}
	}
	r.allowed(fetch("192.0.2.1", "/dl/app-1.0.exe"))
	r.allowed(fetch("192.0.2.1", "/dl/app-1.0.exe"))
	if rec := r.lastDecision(); rec.Began == "" || rec.Facts.History.Asked != "app-1.0.exe" || strings.Contains(rec.Began, "app") {
		t.Errorf("%+v", rec)
	}
	served.Store(1)
	r.refusedFor(fetch("192.0.2.2", "/dl/app-1.0.exe"), "one_view")
	if reasons := r.lastDecision().Decision.Reasons; !strings.Contains(reasons[0], "other bytes were given to others under the URL that was asked for") {
		t.Errorf("%q", reasons)
	}
	r.close()
	for _, name := range []string{"history.db", "history.db-wal", "history.db-shm"} {
		os.Remove(filepath.Join(r.dir, name))
	}
	r.open() // what the log tells is enough
	r.refusedFor(fetch("192.0.2.3", "/dl/app-1.0.exe"), "one_view")
	served.Store(2)
	r.allowed(fetch("192.0.2.4", "/dl/app-1.1.exe"))
}

// An origin that never answers the second look holds up nobody but who asks for that very file, and not the end of the proxy either.
func TestASecondLookThatHangsHoldsUpNobodyElse(t *testing.T) {
	var asked atomic.Int32
	hangs := make(chan struct{})
	r := newPastRig(t, func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/dl/app-1.0.exe" && asked.Add(1) == 2 {
			close(hangs)
			<-q.Context().Done()
			return
		}
		w.Write(program(1000, q.URL.Path+";"))
	}, strings.Replace(pastPolicy("{one_view: {second_look: true}}"), `, require: [{one`, `, product: App, require: [{one`, 1))
	first := make(chan answerOf, 1)
	go func() { first <- r.get("https://origin.example/dl/app-1.0.exe") }()
	<-hangs
	r.allowed(r.do("192.0.2.2", http.MethodGet, "https://origin.example/dl/app-2.0.exe")) // the same product
	r.allowed(r.do("192.0.2.1", http.MethodGet, "https://origin.example/other/a.exe"))
	r.close()
	if got := <-first; got.status != http.StatusServiceUnavailable {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	for _, rec := range r.records() {
		if rec.Kind == audit.KindDecision && strings.Contains(rec.Request.URL, "app-1.0") {
			t.Errorf("%+v", rec.Decision)
		}
	}
}
