package proxy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

const fixesPolicy = `
version: 1
defaults: {hosts: inspect}
feeds:
  osv: {file: osv.json, format: osv, vulnerabilities: true}
  kev: {file: kev.json, format: kev, exploited: true}
channels: [{name: npm, hosts: [npm.example], require: [{min_age: {for: 14d, unless: fixes_known_exploited}}]}]
`

const (
	fixesKEV = `{"title": "Known Exploited Vulnerabilities", "catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-2026-1234", "dateAdded": "2026-11-19"}]}`
	fixesOSV = `[{"id": "GHSA-aaaa", "modified": "2026-11-18T00:00:00Z", "aliases": ["CVE-2026-1234"], "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"},
		"ranges": [{"type": "SEMVER", "events": [{"introduced": "1.1.0"}, {"fixed": "1.3.1"}]}]}]}]`
)

// What an update removes, the release before has; neither an old one that somebody fetched again, nor one that is newer.
func TestKnownFixes(t *testing.T) {
	dir := t.TempDir()
	var feeds []reputation.Feed
	for name, text := range map[string]string{"kev": fixesKEV, "osv": fixesOSV} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		feeds = append(feeds, reputation.Feed{Name: name, File: file})
	}
	open, err := reputation.Open(t.Context(), feeds, reputation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse("policy.yaml", os.DirFS(dir), []byte(fixesPolicy))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, past, now, want string }{
		{"the fix", "1.3.0", "1.3.1", "GHSA-aaaa from 1.3.0 by kev"},
		{"the first release", "", "1.3.1", ""},
		{"an old release was fetched again", "1.2.0 1.4.0", "1.5.0", ""},
		{"of two lines, the older one", "2.0.0 1.3.0", "1.3.1", "GHSA-aaaa from 1.3.0 by kev"},
		{"a version from before the hole", "1.2.0", "1.0.0", ""},
		{"a release of unknown version was the last", "unstable 1.3.0", "1.3.1", "GHSA-aaaa from 1.3.0 by kev"},
		{"the same version again", "1.3.1 1.3.0", "1.3.1", "GHSA-aaaa from 1.3.0 by kev"},
		{"not fixed yet", "1.2.0", "1.3.0", ""},
	} {
		h := policy.History{Known: true, Editions: []policy.Edition{{Channel: "npm", Product: "left-pad"}}}
		past := policy.Past{Product: "left-pad"}
		for _, v := range strings.Fields(c.past) {
			past.Releases = append(past.Releases, policy.PastRelease{Version: v, System: "npm"})
		}
		h.Past = map[string]policy.Past{"npm": past}
		rep := verify.Report{Product: "left-pad", Version: c.now, System: "npm", Facts: map[string]string{"product": "left-pad"}}
		var got []string
		for _, f := range KnownFixes(p, open.View(), h, rep) {
			got = append(got, f.ID+" from "+f.From+" by "+f.By)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
