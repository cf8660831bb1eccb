package reputation

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

const kevList = `{"title": "Known Exploited Vulnerabilities", "catalogVersion": "2026.11.20", "dateReleased": "2026-11-20T10:00:00.000Z", "count": 2, "vulnerabilities": [
 {"cveID": "CVE-2026-1234", "vendorProject": "Example", "product": "Left Pad", "vulnerabilityName": "Padding on the wrong side", "dateAdded": "2026-11-19"},
 {"cveID": "cve-2026-99999", "vendorProject": "Example", "product": "Other", "vulnerabilityName": "x", "dateAdded": "2026-11-01"}]}`

const osvList = `[
 {"id": "GHSA-aaaa", "modified": "2026-11-18T00:00:00Z", "aliases": ["CVE-2026-1234"], "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"fixed": "1.3.1"}]}]}]},
 {"id": "GHSA-bbbb", "modified": "2026-11-18T00:00:00Z", "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.0"}]}]}]},
 {"id": "DSA-1", "modified": "2026-11-18T00:00:00Z", "upstream": ["CVE-2026-99999"], "affected": [{"package": {"ecosystem": "Debian:12", "name": "curl"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "7.88.1-10+deb12u5"}]}]}]}]`

func fixesView(t *testing.T) *View {
	t.Helper()
	dir := t.TempDir()
	var defined []Feed
	for name, text := range map[string]string{"kev": kevList, "osv": osvList} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		defined = append(defined, Feed{Name: name, File: path})
	}
	feeds, err := Open(context.Background(), defined, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range feeds.View().lists {
		if f.set == nil || f.failure != nil || f.summary.Unreadable > 0 {
			t.Fatalf("%s: %v, %+v", f.feed.Name, f.failure, f.summary)
		}
	}
	return feeds.View()
}

func TestFixes(t *testing.T) {
	v := fixesView(t)
	npm := func(version string) Package { return Package{"npm", "left-pad", version} }
	for _, c := range []struct {
		name          string
		before, after Package
		want          string
	}{
		{"one that is exploited", npm("1.3.0"), npm("1.3.1"), "GHSA-aaaa by kev; "},
		{"one that is not", npm("0.9.0"), npm("1.2.0"), "GHSA-bbbb by ; "},
		{"both", npm("1.1.0"), npm("1.4.0"), "GHSA-aaaa by kev; GHSA-bbbb by ; "},
		{"none yet", npm("1.2.5"), npm("1.3.0"), ""},
		{"the other way round", npm("1.3.1"), npm("1.3.0"), ""},
		{"an unknown version", npm(""), npm("1.3.1"), ""},
		{"no version", npm("latest"), npm("1.3.1"), ""},
		{"another package", npm("1.3.0"), Package{"npm", "right-pad", "1.3.1"}, ""},
		{"a distribution's", Package{"Debian:12", "curl", "7.88.1-10"}, Package{"Debian:12", "curl", "7.88.1-10+deb12u5"}, "DSA-1 by kev; "},
		{"another release of it", Package{"Debian:11", "curl", "7.88.1-10"}, Package{"Debian:11", "curl", "7.88.1-10+deb12u5"}, ""},
	} {
		fixes, err := v.Fixes(c.before, c.after, []string{"osv"}, []string{"kev"})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range fixes {
			got += f.ID + " by " + f.Exploited + "; "
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if fixes, _ := v.Fixes(npm("1.3.0"), npm("1.3.1"), []string{"osv"}, []string{"osv"}); len(fixes) != 1 || fixes[0].Exploited != "osv" {
		t.Errorf("a list of what is exploited by itself: %+v", fixes)
	}
	if fixes, _ := v.Fixes(npm("1.3.0"), npm("1.3.1"), nil, []string{"kev"}); len(fixes) != 0 {
		t.Errorf("without a list that describes: %+v", fixes)
	}
	if hits, err := v.Match(Subject{Packages: []Package{npm("1.3.0")}}, "kev"); err != nil || len(hits) != 0 {
		t.Errorf("a vulnerability names a package: %+v, %v", hits, err)
	}
}
