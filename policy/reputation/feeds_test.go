package reputation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// server is an origin of lists that exists only as a RoundTripper.
type server struct {
	mu       sync.Mutex
	pages    map[string]string // by URL
	status   int               // instead of 200
	after    string            // Retry-After
	fail     error
	broken   bool // the answer ends early
	redirect map[string]string
	asked    []string
	headers  []http.Header
	times    []time.Time
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.headers, s.times = append(s.asked, r.URL.String()), append(s.headers, r.Header.Clone()), append(s.times, time.Now())
	resp := &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{}, Body: http.NoBody, Request: r, ContentLength: -1}
	if s.fail != nil {
		return nil, s.fail
	}
	if to := s.redirect[r.URL.String()]; to != "" {
		resp.StatusCode = 302
		resp.Header.Set("Location", to)
		return resp, nil
	}
	page, ok := s.pages[r.URL.String()]
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(page)))
	switch {
	case s.status != 0:
		resp.StatusCode, resp.Status = s.status, fmt.Sprint(s.status, " trouble")
		resp.Header.Set("Retry-After", s.after)
	case !ok:
		resp.StatusCode, resp.Status = 404, "404 Not Found"
	case r.Header.Get("If-None-Match") == tag:
		resp.StatusCode, resp.Status = 304, "304 Not Modified"
	default:
		resp.Header.Set("ETag", tag)
		resp.ContentLength = int64(len(page))
		if s.broken {
			page = page[:len(page)/2]
		}
		resp.Body = io.NopCloser(strings.NewReader(page))
	}
	return resp, nil
}

func (s *server) set(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

// listOf returns a plain list of n digests, the first of which is that of the number from.
func plainList(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s\n", numbered(from+i))
	}
	return b.String()
}

func numbered(i int) verify.Digest { return sha256.Sum256([]byte(fmt.Sprint(i))) }

func listed(t testing.TB, v *View, i int, feeds ...string) bool {
	t.Helper()
	hits, err := v.Match(Subject{SHA256: numbered(i)}, feeds...)
	if err != nil {
		t.Fatal(err)
	}
	return len(hits) > 0
}

// journal collects notices.
type journal struct {
	mu  sync.Mutex
	all []Notice
}

func (j *journal) tell(n Notice) { j.mu.Lock(); defer j.mu.Unlock(); j.all = append(j.all, n) }

func (j *journal) take() (list []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range j.all {
		s := string(n.What)
		if n.What == Changed {
			s += fmt.Sprintf(" +%d -%d", n.Added, n.Removed)
		}
		list = append(list, s)
	}
	j.all = nil
	return list
}

func want(t testing.TB, got []string, wanted ...string) {
	t.Helper()
	if strings.Join(got, ", ") != strings.Join(wanted, ", ") {
		t.Errorf("told %q, want %q", got, wanted)
	}
}

const listURL = "https://lists.example.org/bad.txt"

func TestFeedFromServer(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, j := &server{pages: map[string]string{listURL: plainList(0, 10)}}, &journal{}
		feed := Feed{Name: "bad", URL: listURL, Refresh: time.Hour, MaxStale: 6 * time.Hour, Header: http.Header{"Auth-Key": {"secret"}}}
		ctx, cancel := context.WithCancel(t.Context())
		f, err := Open(ctx, []Feed{feed}, Options{Dir: dir, Transport: s, Tell: j.tell})
		if err != nil {
			t.Fatal(err)
		}
		if st := f.View().State("bad", time.Now()); st.Status != Never || listed(t, f.View(), 3) {
			t.Errorf("before anything was asked for: %+v", st)
		}
		go f.Run(ctx)
		synctest.Wait()
		if st := f.View().State("bad", time.Now()); st.Status != Fresh || st.Entries != 10 || !listed(t, f.View(), 3) || listed(t, f.View(), 10) {
			t.Errorf("after it was: %+v", st)
		}
		want(t, j.take(), "changed +10 -0")
		old := f.View()

		time.Sleep(70 * time.Minute) // unchanged
		synctest.Wait()
		s.set(func() {
			if len(s.asked) != 2 || s.headers[1].Get("If-None-Match") == "" || s.headers[1].Get("Auth-Key") != "secret" {
				t.Errorf("asked %d times, with %v", len(s.asked), s.headers)
			}
		})
		want(t, j.take())

		s.set(func() { s.pages[listURL] = plainList(5, 10) })
		time.Sleep(70 * time.Minute)
		synctest.Wait()
		want(t, j.take(), "changed +5 -5")
		if v := f.View(); listed(t, v, 3) || !listed(t, v, 12) || !listed(t, old, 3) || listed(t, old, 12) {
			t.Error("the new view is not new, or the old not old")
		}

		s.set(func() { s.status, s.after = 503, "120"; s.times = nil })
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		want(t, j.take(), "failed")
		s.set(func() {
			if n := len(s.times); n < 6 || n > 12 {
				t.Errorf("asked %d times in 5 h of failure", n)
			}
			if gap := s.times[1].Sub(s.times[0]); gap < 120*time.Second {
				t.Errorf("asked again after %v although told to wait 120 s", gap)
			}
		})
		if st := f.View().State("bad", time.Now()); st.Status != Fresh || !strings.Contains(st.Reason, "503") || !listed(t, f.View(), 12) {
			t.Errorf("in failure: %+v", st)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		want(t, j.take(), "stale")
		if st := f.View().State("bad", time.Now()); st.Status != Stale || !strings.Contains(st.Reason, "longer than 6 h") || !listed(t, f.View(), 12) {
			t.Errorf("after more than 6 h: %+v", st)
		}
		s.set(func() { s.status = 0 })
		time.Sleep(70 * time.Minute)
		synctest.Wait()
		want(t, j.take(), "recovered")
		cancel()
		synctest.Wait()

		// A restart without the server knows what was known.
		s.set(func() { s.fail = errors.New("no route to host") })
		g, err := Open(t.Context(), []Feed{feed}, Options{Dir: dir, Transport: s, Tell: j.tell})
		if err != nil {
			t.Fatal(err)
		}
		if st := g.View().State("bad", time.Now()); st.Status != Fresh || !listed(t, g.View(), 12) || listed(t, g.View(), 3) {
			t.Errorf("after a restart: %+v", st)
		}
		want(t, j.take())
		if st := g.View().State("bad", time.Now().Add(-48*time.Hour)); st.Status != Stale {
			t.Errorf("with the clock set back two days: %+v", st)
		}
		// Another definition begins anew.
		feed.Good = true
		if g, err = Open(t.Context(), []Feed{feed}, Options{Dir: dir, Transport: s, Tell: j.tell}); err != nil || g.View().State("bad", time.Now()).Status != Never {
			t.Errorf("with another definition: %+v, %v", g.View().States(time.Now()), err)
		}
	})
}

func TestWhatAServerMayNotDo(t *testing.T) {
	big := plainList(0, 2000)
	sum := verify.Digest(sha256.Sum256([]byte(big)))
	for name, c := range map[string]struct {
		feed  Feed
		upset func(*server)
		want  string
	}{
		"an empty list":           {Feed{}, func(s *server) { s.pages[listURL] = "# nothing\n" }, "no entries"},
		"half the answer":         {Feed{}, func(s *server) { s.broken = true; s.pages[listURL] = big + "\n" }, "broke off"},
		"most entries gone":       {Feed{}, func(s *server) { s.pages[listURL] = plainList(0, 900) }, "from 2000 entries to 900"},
		"a page to log in at":     {Feed{}, func(s *server) { s.pages[listURL] = "<html>\n<body>log in</body>\n</html>" }, "unreadable"},
		"too long a list":         {Feed{MaxSize: 140_000}, func(s *server) { s.pages[listURL] = big + plainList(0, 2000) }, "more than 140000"},
		"too many entries":        {Feed{Reading: Reading{MaxEntries: 2500}}, func(s *server) { s.pages[listURL] = plainList(0, 2501) }, "more than 2500 entries"},
		"no answer":               {Feed{}, func(s *server) { s.fail = errors.New("connection reset") }, "connection reset"},
		"not there":               {Feed{}, func(s *server) { delete(s.pages, listURL) }, "404"},
		"a redirect to http":      {Feed{}, func(s *server) { s.redirect = map[string]string{listURL: "http://lists.example.org/x"} }, "away from https"},
		"a redirect with a key":   {Feed{Header: http.Header{"Auth-Key": {"k"}}}, func(s *server) { s.redirect = map[string]string{listURL: "https://other.example/x"} }, "another host"},
		"another list than named": {Feed{SHA256: sum}, func(s *server) { s.pages[listURL] = big + "#" }, "SHA-256 is"},
		"another digest beside":   {Feed{SHA256URL: "bad.txt.sha256"}, func(s *server) { s.pages[listURL] = big + "#" }, "published beside"},
		"no digest beside":        {Feed{SHA256URL: "bad.txt.sha256"}, func(s *server) { s.pages[listURL] = big + "#"; delete(s.pages, listURL+".sha256") }, "404"},
		"never ending redirects":  {Feed{}, func(s *server) { s.redirect = map[string]string{listURL: listURL} }, "redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{pages: map[string]string{listURL: big, listURL + ".sha256": sum.String() + "  ./bad.txt\n" + strings.Repeat("0", 64) + "  other.txt\n"}}
			c.feed.Name, c.feed.URL = "bad", listURL
			j := &journal{}
			f, err := Open(t.Context(), []Feed{c.feed}, Options{Dir: t.TempDir(), Transport: s, Tell: j.tell})
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Refresh(t.Context(), "bad"); err != nil || !listed(t, f.View(), 1999) {
				t.Fatalf("the good list: %v", err)
			}
			c.upset(s)
			if err := f.Refresh(t.Context(), "bad"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if !listed(t, f.View(), 1999) || f.View().State("bad", time.Now()).Status != Fresh {
				t.Error("the last good list is not in force any more")
			}
			want(t, j.take(), "changed +2000 -0", "failed")
			if files, _ := filepath.Glob(filepath.Join(f.o.Dir, "bad", "*", "*")); len(files) != 2 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

func TestFeedFromFile(t *testing.T) {
	dir, kept := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "bad.txt")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# ours\n" + plainList(0, 3))
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		ctx, cancel := context.WithCancel(t.Context())
		feed := Feed{Name: "ours", File: file, MaxStale: time.Hour}
		f, err := Open(ctx, []Feed{feed}, Options{Dir: kept, Tell: j.tell})
		if err != nil {
			t.Fatal(err)
		}
		if !listed(t, f.View(), 2) {
			t.Error("a file is not read by Open")
		}
		go f.Run(ctx)
		synctest.Wait()
		want(t, j.take(), "changed +3 -0")
		write(plainList(0, 4))
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if want(t, j.take(), "changed +1 -0"); !listed(t, f.View(), 3) {
			t.Error("an entry added to a file does not count within a second")
		}
		write(plainList(0, 5) + "oops!\n")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if want(t, j.take(), "failed"); listed(t, f.View(), 4) || !listed(t, f.View(), 3) {
			t.Error("a file with an unreadable line is in force, or the one before is not")
		}
		os.Remove(file)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		want(t, j.take(), "failed")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if want(t, j.take(), "stale"); f.View().State("ours", time.Now()).Status != Stale {
			t.Error("a file that is gone does not grow stale")
		}
		write("")
		time.Sleep(time.Second)
		synctest.Wait()
		if want(t, j.take(), "recovered", "changed +0 -4"); listed(t, f.View(), 1) {
			t.Error("a file may be emptied")
		}

		// New definitions while running.
		other := filepath.Join(dir, "other.txt")
		if err := os.WriteFile(other, []byte(plainList(100, 2)), 0o600); err != nil {
			t.Fatal(err)
		}
		feed.MaxStale = time.Minute
		if err := f.Configure(ctx, []Feed{feed, {Name: "other", File: other}}); err != nil {
			t.Fatal(err)
		}
		if !listed(t, f.View(), 101) || !listed(t, f.View(), 101, "other") || listed(t, f.View(), 101, "ours") || len(f.View().States(time.Now())) != 2 {
			t.Error("a new feed is not in force when Configure returns")
		}
		if err := f.Configure(ctx, []Feed{{Name: "a"}, {Name: "../x", File: "y"}, {Name: "u", URL: "http://x.example/"}}); err == nil || len(f.View().States(time.Now())) != 2 {
			t.Errorf("wrong definitions: %v", err)
		} else if n := strings.Count(err.Error(), "\n"); n != 2 {
			t.Errorf("not all mistakes are told at once: %v", err)
		}
		if err := f.Configure(ctx, nil); err != nil || listed(t, f.View(), 101) {
			t.Errorf("a feed that is gone still counts, %v", err)
		}
		cancel()
		synctest.Wait()
	})
}

// TestChangeIsToldAgainAfterACrash ends the process while a change is being told of.
func TestChangeIsToldAgainAfterACrash(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "bad.txt")
	put := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	feeds := []Feed{{Name: "ours", File: file}}
	put(plainList(0, 3))
	if _, err := Open(t.Context(), feeds, Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	put(plainList(1, 3))
	func() {
		defer func() { recover() }()
		Open(t.Context(), feeds, Options{Dir: dir, Tell: func(Notice) { panic("the machine stops") }})
	}()
	j := &journal{}
	f, err := Open(t.Context(), feeds, Options{Dir: dir, Tell: j.tell})
	if err != nil {
		t.Fatal(err)
	}
	if len(j.all) != 1 || j.all[0].Added != 1 {
		t.Fatalf("told %+v", j.all)
	}
	for e, err := range j.all[0].AddedEntries() {
		if err != nil || e.Value != numbered(3).String() {
			t.Errorf("%+v, %v is not what was added", e, err)
		}
	}
	j.take()
	if f, err = Open(t.Context(), feeds, Options{Dir: dir, Tell: j.tell}); err != nil || !listed(t, f.View(), 3) {
		t.Fatal(err)
	}
	want(t, j.take())
}

// TestCrashWhileWriting leaves every file that writing a list makes cut at every place that matters, and demands that the
// old list or the new one is there, or that it is said that none is.
func TestCrashWhileWriting(t *testing.T) {
	dir := t.TempDir()
	s := &server{pages: map[string]string{listURL: plainList(0, 50)}}
	feeds := []Feed{{Name: "bad", URL: listURL}}
	f, err := Open(t.Context(), feeds, Options{Dir: dir, Transport: s})
	if err != nil || f.Refresh(t.Context(), "bad") != nil {
		t.Fatal(err)
	}
	home := f.workers["bad"].store.dir
	write := func(name, data string) {
		if err := os.WriteFile(filepath.Join(home, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Files that were being written, and a whole set that was never named.
	write("set-1.tmp", "half a set")
	write("run-1.tmp", "half a run")
	write(".state.json.tmp-1", `{"v":`)
	write(setName(numbered(1)), "a set that state.json does not name yet")
	j := &journal{}
	g, err := Open(t.Context(), feeds, Options{Dir: dir, Transport: s, Tell: j.tell})
	if err != nil || !listed(t, g.View(), 49) {
		t.Fatalf("the old list is gone: %v", err)
	}
	if files, _ := os.ReadDir(home); len(files) != 2 {
		t.Errorf("%d files left, want the state and the set", len(files))
	}
	state, _ := os.ReadFile(filepath.Join(home, stateFile))
	for name, bad := range map[string]string{"empty": "", "cut": string(state[:len(state)/2]), "of another kind": `{"v":2}`} {
		write(stateFile, bad)
		g, err := Open(t.Context(), feeds, Options{Dir: dir, Transport: s, Tell: j.tell})
		if err != nil {
			t.Fatal(err)
		}
		if st := g.View().State("bad", time.Now()); st.Status != Never || !strings.Contains(st.Reason, "damaged") {
			t.Errorf("state.json %s: %+v", name, st)
		}
		if err := g.Refresh(t.Context(), "bad"); err != nil || !listed(t, g.View(), 49) {
			t.Errorf("state.json %s: it does not heal: %v", name, err)
		}
	}
	sets, _ := filepath.Glob(filepath.Join(home, "*.set"))
	if err := os.Truncate(sets[0], 100); err != nil {
		t.Fatal(err)
	}
	if g, err = Open(t.Context(), feeds, Options{Dir: dir, Transport: s, Tell: j.tell}); err != nil || g.View().State("bad", time.Now()).Status != Never {
		t.Errorf("a cut set: %+v, %v", g.View().States(time.Now()), err)
	}
	if err := g.Refresh(t.Context(), "bad"); err != nil || !listed(t, g.View(), 49) {
		t.Errorf("a cut set: it does not heal: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	s := &server{pages: map[string]string{listURL: plainList(0, 50)}}
	feeds := []Feed{{Name: "bad", URL: listURL}}
	f, err := Open(t.Context(), feeds, Options{Dir: dir, Transport: s})
	if err != nil || f.Refresh(t.Context(), "bad") != nil {
		t.Fatal(err)
	}
	before, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
	g, err := Open(t.Context(), feeds, Options{Dir: dir, ReadOnly: true})
	if err != nil || !listed(t, g.View(), 49) || g.Refresh(t.Context(), "bad") == nil {
		t.Errorf("what another process keeps: %v", err)
	}
	if after, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*")); len(after) != len(before) {
		t.Errorf("reading changed %v to %v", before, after)
	}
}

// TestLookUpsWhileReloading looks things up while lists are replaced again and again: what every version of a list names
// must be found at any time.
func TestLookUpsWhileReloading(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.txt")
	put := func(i int) {
		next := file + ".new"
		if err := errors.Join(os.WriteFile(next, []byte(plainList(0, 300)+plainList(1000*(i+1), 500+i)), 0o600), os.Rename(next, file)); err != nil {
			t.Error(err)
		}
	}
	put(0)
	f, err := Open(t.Context(), []Feed{{Name: "ours", File: file}}, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	for g := range 2 {
		all.Go(func() {
			for i := g; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				runtime.Gosched()
				v := f.View()
				if !listed(t, v, i%300) || listed(t, v, 500) || v.State("ours", time.Now()).Status != Fresh {
					t.Error("what is on the list all the time was not found, or something else was")
					return
				}
			}
		})
	}
	for i := range 8 {
		put(i + 1)
		if err := f.Refresh(t.Context(), "ours"); err != nil {
			t.Error(err)
		}
		if !listed(t, f.View(), 1000*(i+2)) {
			t.Error("the new list is not in force when Refresh returns")
		}
	}
	close(done)
	all.Wait()
}
