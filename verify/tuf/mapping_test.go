package tuf

import (
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// several is an anchor with three repositories.
type several struct {
	*world
	repos   map[string]*tuftest.Repository
	servers map[string]*tuftest.Server
}

func newSeveral(t *testing.T, mapping ...verify.TUFMapping) *several {
	t.Helper()
	s := &several{world: newWorld(t, tuftest.Options{}), repos: map[string]*tuftest.Repository{}, servers: map[string]*tuftest.Server{}}
	a := &s.env.Trust.TUF[0]
	a.Repositories, a.Mapping = nil, mapping
	from := byHost{}
	for _, name := range []string{"a", "b", "c"} {
		r, err := tuftest.New(tuftest.Options{At: now, Seed: name})
		if err != nil {
			t.Fatal(err)
		}
		r.Add(r.Targets, app, appBytes)
		s.repos[name], s.servers[name] = r, &tuftest.Server{}
		from[name+".example.com"] = s.servers[name]
		s.publishAs(name)
		a.Repositories = append(a.Repositories, verify.TUFRepository{Name: name, Root: r.TrustedRoot(1), Metadata: []string{"https://" + name + ".example.com/metadata/"}})
	}
	s.env.Sidecars = from
	return s
}

func (s *several) publishAs(name string) {
	s.t.Helper()
	files, err := s.repos[name].Publish()
	if err != nil {
		s.t.Fatal(err)
	}
	s.servers[name].Serve(files)
}

// judge returns what comes of the application, by a process that has just begun.
func (s *several) judge(status verify.Status, code string) verify.Finding {
	s.t.Helper()
	s.restart()
	f := s.offer("targets/"+app, appBytes)
	s.want(code, f, status, code)
	return f
}

func entry(threshold int, repositories ...string) verify.TUFMapping {
	return verify.TUFMapping{Paths: []string{"app/*/*"}, Repositories: repositories, Threshold: threshold}
}

func terminating(m verify.TUFMapping) verify.TUFMapping {
	m.Terminating = true
	return m
}

func TestRepositoriesThatHaveToAgree(t *testing.T) {
	s := newSeveral(t, terminating(entry(2, "a", "b")))
	f := s.judge(verify.Valid, "tuf/listed")
	if !strings.Contains(f.Detail, "acme-tuf/a") || !strings.Contains(f.Detail, "acme-tuf/b") || len(f.Evidence) != 8 {
		t.Errorf("%s, with %d pieces of evidence", f.Detail, len(f.Evidence))
	}
	s.repos["b"].Targets.Remove(app)
	s.publishAs("b")
	if f := s.judge(verify.Absent, "tuf/too-few-repositories"); !strings.Contains(f.Detail, "1 of the 2") {
		t.Error(f.Detail)
	}
	s.repos["b"].Add(s.repos["b"].Targets, app, toolBytes)
	s.publishAs("b")
	if f := s.judge(verify.Invalid, "tuf/digest-mismatch"); !strings.Contains(f.Detail, "acme-tuf/a: lists it") {
		t.Error(f.Detail)
	}
	s.servers["b"].Set(tuftest.State{Gone: true})
	s.env.Memory = newMemory()
	s.judge(verify.Inconclusive, "tuf/unavailable")
}

func TestOneOfSeveralRepositories(t *testing.T) {
	s := newSeveral(t, terminating(entry(2, "a", "b", "c")))
	s.repos["c"].Targets.Remove(app)
	s.publishAs("c")
	s.judge(verify.Valid, "tuf/listed")
	if found := s.all("targets/"+app, appBytes); len(found) != 2 || found[1].Code != "tuf/outvoted" || found[1].Status != verify.Valid || !strings.Contains(found[1].Detail, "acme-tuf/c") {
		t.Errorf("%+v", found)
	}
	state, err := tuftest.Attacks()[0].On(s.repos["b"], app) // replayed after one publication: none before
	if err == nil {
		t.Fatalf("%+v", state)
	}
	s.repos["b"].Targets.Signers = []*tuftest.Key{}
	s.repos["b"].Targets.Change()
	s.publishAs("b")
	if f := s.judge(verify.Invalid, "tuf/threshold"); !strings.Contains(f.Detail, "acme-tuf/c: not-listed") {
		t.Error(f.Detail)
	}
}

func TestRepositoriesThatDisagree(t *testing.T) {
	s := newSeveral(t, terminating(entry(1, "a", "b")))
	s.repos["b"].Add(s.repos["b"].Targets, app, toolBytes)
	s.publishAs("b")
	s.judge(verify.Invalid, "tuf/disagreement")
}

func TestNextEntryOfTheMap(t *testing.T) {
	other := verify.TUFMapping{Paths: []string{"other/*"}, Repositories: []string{"b"}, Threshold: 1, Terminating: true}
	s := newSeveral(t, other, entry(2, "a", "b"), entry(1, "c"))
	s.repos["b"].Targets.Remove(app)
	s.publishAs("b")
	if f := s.judge(verify.Valid, "tuf/listed"); f.Signer.Name != "role targets of acme-tuf/c" {
		t.Errorf("by %s", f.Signer.Name)
	}
	// A weaker entry does not decide in place of a repository that was made unreachable.
	s.servers["b"].Set(tuftest.State{Gone: true})
	s.env.Memory = newMemory()
	s.judge(verify.Inconclusive, "tuf/unavailable")
	// Nor one that comes after a terminating entry.
	s.publishAs("b")
	s.env.Trust.TUF[0].Mapping[1].Terminating = true
	s.judge(verify.Absent, "tuf/too-few-repositories")
	s.env.Trust.TUF[0].Mapping = s.env.Trust.TUF[0].Mapping[:1]
	s.judge(verify.Absent, "tuf/not-listed")
}

func TestMapPatterns(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"*", "a.exe", true}, {"*", "a/b.exe", false}, {"a/*.exe", "a/b.exe", true}, {"a/*.exe", "a/b/c.exe", false}, {"a/?.exe", "a/b.exe", true},
		{"a/b.exe", "a/" + sum + ".b.exe", true}, {"a/c.exe", "a/" + sum + ".b.exe", false}, {"[", "[", false},
	} {
		if got := matches([]string{c.pattern}, c.path); got != c.want {
			t.Errorf("%s matches %s: %v", c.pattern, c.path, got)
		}
	}
}
