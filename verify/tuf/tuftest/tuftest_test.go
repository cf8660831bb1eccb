package tuftest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

var at = time.Now().UTC().Truncate(time.Second) // the reference library has no other clock

func newRepository(t testing.TB, o Options) *Repository {
	t.Helper()
	o.At = at
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func publish(t testing.TB, r *Repository) Files {
	t.Helper()
	files, err := r.Publish()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// load has the reference library verify everything that was published, each delegated role by its delegator.
func load(r *Repository, files Files) (*trustedmetadata.TrustedMetadata, error) {
	trusted, err := trustedmetadata.New(files["metadata/1.root.json"])
	if err != nil {
		return nil, err
	}
	for v := int64(2); v <= r.Root.Version; v++ {
		if _, err := trusted.UpdateRoot(files[fmt.Sprintf("metadata/%d.root.json", v)]); err != nil {
			return nil, err
		}
	}
	if _, err := trusted.UpdateTimestamp(files["metadata/timestamp.json"]); err != nil {
		return nil, err
	}
	if _, err := trusted.UpdateSnapshot(files[r.FileName(r.Snapshot)], false); err != nil {
		return nil, err
	}
	if _, err := trusted.UpdateTargets(files[r.FileName(r.Targets)]); err != nil {
		return nil, err
	}
	var descend func(from *Role) error
	descend = func(from *Role) error {
		var names []string
		for _, d := range from.Delegations {
			names = append(names, d.Role)
		}
		if from.Bins != nil {
			names = slices.Sorted(maps.Keys(r.Delegated))
		}
		for _, name := range names {
			if _, err := trusted.UpdateDelegatedTargets(files[r.FileName(r.Delegated[name])], name, from.Name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := descend(r.Delegated[name]); err != nil {
				return err
			}
		}
		return nil
	}
	return trusted, descend(r.Targets)
}

func TestReferenceLibraryAcceptsRepositories(t *testing.T) {
	for name, o := range map[string]Options{
		"ed25519": {}, "ecdsa": {Scheme: ECDSA}, "rsa": {Scheme: RSAPSS}, "plain": {Plain: true},
		"2 of 3": {Keys: 3, Threshold: 2}, "hashes": {MetaHashes: true, SHA512: true}, "sha512": {OnlySHA512: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepository(t, o)
			r.Add(r.Targets, "app.exe", []byte("MZ"))
			tools, _, err := r.Delegate(r.Targets, "tools \"a\"/b", "tools/*")
			if err != nil {
				t.Fatal(err)
			}
			r.Add(tools, "tools/x", []byte("x"))
			if _, d, err := r.Delegate(tools, "deep", ""); err != nil {
				t.Fatal(err)
			} else {
				d.Paths, d.PathHashPrefixes, d.Terminating = nil, []string{"0", "8f"}, true
			}
			if _, err := load(r, publish(t, r)); err != nil {
				t.Fatal(err)
			}
			for _, role := range []*Role{r.Root, r.Targets, tools, r.Timestamp} {
				if err := r.Rotate(role); err != nil {
					t.Fatal(err)
				}
			}
			trusted, err := load(r, publish(t, r))
			if err != nil {
				t.Fatal(err)
			}
			got := trusted.Targets["targets"].Signed.Targets["app.exe"]
			if got == nil || got.Length != 2 || r.Root.Version != 2 || tools.Version != 2 {
				t.Errorf("app.exe is %+v; root %d, tools %d", got, r.Root.Version, tools.Version)
			}
		})
	}
}

func TestBinsHoldTheirPaths(t *testing.T) {
	r, err := NewBins(Options{At: at}, 5, 200)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := load(r, publish(t, r))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		to := trusted.Targets["targets"].Signed.Delegations.GetRolesForTarget(Path(i))
		if len(to) != 1 || trusted.Targets[to[0].Name].Signed.Targets[Path(i)] == nil {
			t.Fatalf("%s is not in the bin where the reference library looks for it: %v", Path(i), to)
		}
	}
}

func TestOneSeedGivesTheSameBytes(t *testing.T) {
	var all []Files
	for range 2 {
		r := newRepository(t, Options{Seed: "x"})
		r.Add(r.Targets, "app.exe", []byte("MZ"))
		all = append(all, publish(t, r))
	}
	if !maps.EqualFunc(all[0], all[1], bytes.Equal) {
		t.Error("two repositories of one seed differ")
	}
}

// TestAttacksShowInMetadata holds the attacks against the reference library, as far as it refuses them: it knows no bounds
// and no implausible versions, and what only the target shows is not its to see here.
func TestAttacksShowInMetadata(t *testing.T) {
	for _, a := range Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			r := newRepository(t, Options{Keys: 2, Threshold: 2})
			tools, _, err := r.Delegate(r.Targets, "tools", "tools/*")
			if err != nil {
				t.Fatal(err)
			}
			r.Add(tools, "tools/x.exe", []byte("MZ first"))
			publish(t, r)
			r.Targets.Change()
			before := publish(t, r)
			state, err := a.On(r, "tools/x.exe")
			if err != nil {
				t.Fatal(err)
			}
			if maps.EqualFunc(before, state.Files, bytes.Equal) && state.Endless == nil {
				t.Error("nothing has changed")
			}
			if err := seen(before, state.Files, r); a.Listed != (err == nil) && !slices.Contains([]string{"oversize", "endless", "fast-forward"}, a.Name) {
				t.Errorf("the reference library says %v", err)
			}
			if _, err := load(r, publish(t, r)); err != nil {
				t.Errorf("after another publication: %v", err)
			}
		})
	}
}

// seen has the reference library, which has accepted before, look at what is served now.
func seen(before, now Files, r *Repository) error {
	trusted, err := trustedmetadata.New(before["metadata/1.root.json"])
	if err != nil {
		return err
	}
	stamp, err := trusted.UpdateTimestamp(before["metadata/timestamp.json"])
	if err != nil {
		return err
	}
	if _, err := trusted.UpdateSnapshot(before[fmt.Sprintf("metadata/%d.snapshot.json", stamp.Signed.Meta["snapshot.json"].Version)], false); err != nil {
		return err
	}
	old := trusted.Snapshot
	if trusted, err = trustedmetadata.New(before["metadata/1.root.json"]); err != nil {
		return err
	}
	trusted.Timestamp = stamp
	if bytes.Equal(before["metadata/timestamp.json"], now["metadata/timestamp.json"]) {
		return nil
	}
	if stamp, err = trusted.UpdateTimestamp(now["metadata/timestamp.json"]); err != nil {
		return err
	}
	trusted.Snapshot = old
	snapshot, err := trusted.UpdateSnapshot(now[fmt.Sprintf("metadata/%d.snapshot.json", stamp.Signed.Meta["snapshot.json"].Version)], false)
	if err != nil {
		return err
	}
	_, err = trusted.UpdateTargets(now[fmt.Sprintf("metadata/%d.targets.json", snapshot.Signed.Meta["targets.json"].Version)])
	return err
}

func TestServer(t *testing.T) {
	r := newRepository(t, Options{})
	r.Add(r.Targets, "a b.exe", []byte("MZ"))
	s := &Server{Prefix: "/acme/"}
	s.Serve(publish(t, r))
	web := httptest.NewServer(s)
	defer web.Close()
	for path, want := range map[string]int{"/acme/metadata/timestamp.json": 200, "/acme/targets/a%20b.exe": 200, "/acme/targets/none": 404} {
		resp, err := http.Get(web.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: %d, %v", path, resp.StatusCode, err)
		}
		if got, err := s.Fetch(t.Context(), web.URL+path, 1<<20); (err == nil) != (want == 200) || want == 200 && !bytes.Equal(got, body) {
			t.Errorf("%s as a sidecar: %v", path, err)
		}
	}
	if n := s.Asked("metadata/timestamp.json"); n != 2 {
		t.Errorf("the timestamp was asked for %d times", n)
	}
	s.Set(State{Gone: true})
	if _, err := http.Get(web.URL + "/acme/metadata/timestamp.json"); err == nil {
		t.Error("a repository that has vanished answers")
	}
}

func BenchmarkBuildFlat(b *testing.B) {
	for b.Loop() {
		r, err := NewFlat(Options{At: at}, 200_000)
		if err != nil {
			b.Fatal(err)
		}
		publish(b, r)
	}
}

func BenchmarkBuildBins(b *testing.B) {
	for b.Loop() {
		r, err := NewBins(Options{At: at}, 14, 400_000)
		if err != nil {
			b.Fatal(err)
		}
		publish(b, r)
	}
}
