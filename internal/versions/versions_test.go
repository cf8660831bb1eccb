package versions

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
		compare := Of(name)
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
			if order, ok := Of(name)(v, "1.0.0"); ok {
				t.Errorf("%s: %q compares as %d", name, v, order)
			}
		}
	}
}
