package reputation

import "testing"

func TestAffected(t *testing.T) {
	all := Range{Type: "SEMVER", Events: []Bound{{Introduced: "0"}}}
	span := func(events ...Bound) []Range { return []Range{{Type: "SEMVER", Events: events}} }
	for _, c := range []struct {
		name string
		a    Affected
		p    Package
		want membership
	}{
		{"every version", Affected{Ranges: []Range{all}}, Package{"npm", "x", "whatever"}, inside},
		{"every version, none known", Affected{Ranges: []Range{all}}, Package{"npm", "x", ""}, inside},
		{"a listed version", Affected{Versions: []string{"1.0.1"}}, Package{"npm", "x", "1.0.1"}, inside},
		{"a listed version spelt otherwise", Affected{Versions: []string{"1.0"}}, Package{"PyPI", "x", "1.0.0"}, inside},
		{"another version", Affected{Versions: []string{"1.0.1"}}, Package{"npm", "x", "1.0.2"}, outside},
		{"no version known", Affected{Versions: []string{"1.0.1"}}, Package{"npm", "x", ""}, unclear},
		{"nothing said of versions", Affected{}, Package{"npm", "x", "1.0.0"}, unclear},
		{"before", Affected{Ranges: span(Bound{Introduced: "1.0.0"}, Bound{Fixed: "1.2.0"})}, Package{"npm", "x", "0.9.0"}, outside},
		{"first", Affected{Ranges: span(Bound{Introduced: "1.0.0"}, Bound{Fixed: "1.2.0"})}, Package{"npm", "x", "1.0.0"}, inside},
		{"fixed", Affected{Ranges: span(Bound{Introduced: "1.0.0"}, Bound{Fixed: "1.2.0"})}, Package{"npm", "x", "1.2.0"}, outside},
		{"out of order", Affected{Ranges: span(Bound{Fixed: "1.2.0"}, Bound{Introduced: "2.0.0"}, Bound{Introduced: "0"})}, Package{"npm", "x", "1.5.0"}, outside},
		{"again", Affected{Ranges: span(Bound{Fixed: "1.2.0"}, Bound{Introduced: "2.0.0"}, Bound{Introduced: "0"})}, Package{"npm", "x", "2.5.0"}, inside},
		{"last affected", Affected{Ranges: span(Bound{Introduced: "0"}, Bound{LastAffected: "3.0.0"})}, Package{"npm", "x", "3.0.0"}, inside},
		{"after the last affected", Affected{Ranges: span(Bound{Introduced: "0"}, Bound{LastAffected: "3.0.0"})}, Package{"npm", "x", "3.0.1"}, outside},
		{"below the limit", Affected{Ranges: span(Bound{Introduced: "0"}, Bound{Limit: "2.0.0"})}, Package{"npm", "x", "1.9.0"}, inside},
		{"at the limit", Affected{Ranges: span(Bound{Introduced: "0"}, Bound{Limit: "2.0.0"})}, Package{"npm", "x", "2.0.0"}, outside},
		{"no limit", Affected{Ranges: span(Bound{Introduced: "0"}, Bound{Limit: "*"})}, Package{"npm", "x", "2.0.0"}, inside},
		{"no version at all", Affected{Ranges: span(Bound{Introduced: "1.0.0"})}, Package{"npm", "x", "latest"}, unclear},
		{"a system without an order here", Affected{Ranges: []Range{{"ECOSYSTEM", []Bound{{Introduced: "1.0"}}}}}, Package{"Maven", "g:a", "1.1"}, unclear},
		{"but every version of it", Affected{Ranges: []Range{{"ECOSYSTEM", []Bound{{Introduced: "0"}}}}}, Package{"Maven", "g:a", "1.1"}, inside},
		{"another release of the distribution", Affected{Ecosystem: "Debian:11", Ranges: []Range{all}}, Package{"Debian:12", "x", "1"}, outside},
		{"any release of the distribution", Affected{Ecosystem: "Debian:11", Ranges: []Range{all}}, Package{"Debian", "x", "1"}, inside},
		{"listed beats unclear", Affected{Versions: []string{"1.1"}, Ranges: []Range{{"ECOSYSTEM", []Bound{{Introduced: "1.0"}}}}}, Package{"Maven", "g:a", "1.1"}, inside},
	} {
		if got := c.a.covers(c.p); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestPackageURL(t *testing.T) {
	for in, want := range map[string]string{
		"pkg:npm/left-pad@1.3.0":                    "npm/left-pad@1.3.0",
		"pkg:npm/%40scope/name@1.0.0":               "npm/@scope/name@1.0.0",
		"pkg:NPM/left-pad":                          "npm/left-pad",
		"pkg:maven/org.example/lib@1.0?type=jar":    "Maven/org.example:lib@1.0",
		"pkg:golang/github.com/a/b@v1.2.3#sub/path": "Go/github.com/a/b@v1.2.3",
		"pkg:deb/debian/curl@7.50.3-1?arch=i386":    "Debian/curl@7.50.3-1",
		"pkg:pypi/Django_thing@1.11":                "PyPI/Django_thing@1.11",
	} {
		if p, err := ParsePackageURL(in); err != nil || p.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, p, err, want)
		}
	}
	for _, in := range []string{"", "npm/x", "pkg:npm", "pkg:npm/", "pkg:unknown/x@1", "pkg:deb/unknown/x@1", "pkg:npm/%zz@1"} {
		if p, err := ParsePackageURL(in); err == nil {
			t.Errorf("%q was read as %s", in, p)
		}
	}
	for _, same := range [][2]Package{{{"PyPI", "Foo_Bar.baz", ""}, {"pypi", "foo-bar-baz", ""}}, {{"crates.io", "a_b", ""}, {"crates.io", "a-b", ""}}, {{"Debian:12", "x", ""}, {"Debian", "x", ""}}, {{"NuGet", "Newton.Json", ""}, {"NuGet", "newton.json", ""}}} {
		a, _ := packageText(same[0])
		if b, _ := packageText(same[1]); a != b || a == "" {
			t.Errorf("%s and %s are not the same", a, b)
		}
	}
	a, _ := packageText(Package{Ecosystem: "npm", Name: "Left-Pad"})
	if b, _ := packageText(Package{Ecosystem: "npm", Name: "left-pad"}); a == b {
		t.Error("npm tells case apart")
	}
}
