package reputation

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Each list is in order; neighbours separated by "=" are equal. They are the examples of the specifications and cases of
// the reference tools' own documentation, written out anew.
var versionOrders = map[string]string{
	"npm":          "0.9.9 < 1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-alpha.beta < 1.0.0-beta < 1.0.0-beta.2 < 1.0.0-beta.11 < 1.0.0-rc.1 < 1.0.0 = 1.0.0+build.5 < 1.0.1 < 1.10.0 < 2.0.0 < 18446744073709551617.0.0",
	"Go":           "v0.0.0-20200101000000-abcdefabcdef < v0.1.0 = 0.1.0 < v1.2.3",
	"NuGet":        "1.0.0 = 1.0 = 1.0.0.0 < 1.0.0.1 < 1.0.1",
	"PyPI":         "1.0.dev456 < 1.0a1 < 1.0a2.dev456 < 1.0a12.dev456 < 1.0a12 < 1.0b1.dev456 < 1.0b2 < 1.0b2.post345.dev456 < 1.0b2.post345 < 1.0rc1.dev456 < 1.0rc1 = 1.0c1 = 1.0-preview1 < 1.0 = 1.0.0 = v1.0 < 1.0+abc.5 < 1.0+abc.7 < 1.0+5 < 1.0.post456.dev34 < 1.0.post456 = 1.0-456 < 1.1.dev1 < 1!0.1",
	"RubyGems":     "1.0.a < 1.0.a.2 < 1.0.b1 < 1.0 = 1.0.0 < 1.0.1 < 1.9 < 1.10",
	"Debian":       "1.0~~ < 1.0~~a < 1.0~ < 1.0 < 1.0-1 < 1.0-1+deb12u1 < 1.0-2 < 1.0a < 1.0+b1 < 1.2 < 1.10 < 1:0.1",
	"Red Hat":      "1.a < 1.0~rc1 < 1.0 < 1.0^git1 < 1.0.1 < 1.1 < 1.10 < 2.0-1 < 2.0-1.el9 < 2.0-10 < 1:0.5",
	"Ubuntu:22.04": "2.0-1 < 2.0-1ubuntu1 < 2.0-1ubuntu1.1",
}

func TestVersionOrder(t *testing.T) {
	for name, chain := range versionOrders {
		compare := comparer(name)
		var versions []string
		var rank []int
		level := 0
		for _, word := range strings.Fields(chain) {
			switch word {
			case "<":
				level++
			case "=":
			default:
				versions, rank = append(versions, word), append(rank, level)
			}
		}
		for i := range versions {
			for j := range versions {
				order, ok := compare(versions[i], versions[j])
				if want := sign(rank[i] - rank[j]); !ok || order != want {
					t.Errorf("%s: %s against %s is %d (%v), want %d", name, versions[i], versions[j], order, ok, want)
				}
			}
		}
	}
}

// TestVersionOrderAgainstDpkg asks the tool that decides for Debian.
func TestVersionOrderAgainstDpkg(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Skip("dpkg is not installed: the order of Debian's versions is compared with our own list only")
	}
	versions := []string{"1.0", "1.0-1", "1.0~rc1-1", "1.0+dfsg-1", "1:1.0-1", "1.0-1~bpo1", "1.0a", "1.0.0", "01.0", "1.0-0", "2", "1.0-1.1", "1.0-1+b1"}
	for _, a := range versions {
		for _, b := range versions {
			order, ok := compareDebian(a, b)
			for relation, want := range map[string]bool{"lt": order < 0, "eq": order == 0} {
				if got := exec.Command(dpkg, "--compare-versions", a, relation, b).Run() == nil; !ok || got != want {
					t.Errorf("dpkg: %s %s %s is %v, ours is %d", a, relation, b, got, order)
				}
			}
		}
	}
}

// TestVersionOrderAgainstRPM asks the tool that decides for Red Hat and its kin.
func TestVersionOrderAgainstRPM(t *testing.T) {
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("rpm is not installed: the order of RPM's versions is compared with our own list only")
	}
	versions := []string{"1.0", "1.0~rc1", "1.0^git1", "1.0^git1~pre", "1.a", "1.0a", "1.0.1", "1..0", "1_0", "01", "10", "1.0.", "a1", "1.0~", "1.0^", "2.0-1", "2.0-1.1"}
	var script strings.Builder
	for _, a := range versions {
		for _, b := range versions {
			fmt.Fprintf(&script, "print(rpm.vercmp(%q,%q)..' ')", a, b)
		}
	}
	out, err := exec.Command(rpm, "--eval", "%{lua:"+script.String()+"}").Output()
	answers := strings.Fields(string(out))
	if err != nil || len(answers) != len(versions)*len(versions) {
		t.Skipf("this rpm has no rpm.vercmp: %v", err)
	}
	for i, a := range versions {
		for j, b := range versions {
			order, ok := compareRPM(a, b)
			if want := answers[i*len(versions)+j]; !ok || strconv.Itoa(order) != want {
				t.Errorf("rpm: %s against %s is %s, ours is %d", a, b, want, order)
			}
		}
	}
}

func TestWhatIsNoVersionDoesNotCompare(t *testing.T) {
	for name, bad := range map[string][]string{
		"npm": {"", "latest", "1..2", "1.0.0-", "1.x", strings.Repeat("1", 300)}, "PyPI": {"", "1.0final-x", "abc"},
		"RubyGems": {"", "x1", "1_0"}, "Debian": {"", "a:1"}, "Maven": {"1.0"}, "Packagist": {"1.0"},
	} {
		for _, v := range bad {
			if order, ok := comparer(name)(v, "1.0.0"); ok {
				t.Errorf("%s: %q compares as %d", name, v, order)
			}
		}
	}
}

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
