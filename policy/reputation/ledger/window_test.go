package ledger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

// in is an edition of a product in a version of some system.
func in(system, version string) *policy.Edition {
	e := app(version)
	e.System = system
	return e
}

// later lets through so many releases of one line that nothing before is among the latest.
func (r *rig) later(system, line string) {
	for i := range maxReleases + 8 {
		r.decide(allow(1000 + i).as(in(system, fmt.Sprintf("%s.0.%d", line, i))))
	}
}

// The highest version of a line is there however long ago it was let through, whichever way it is written, and whichever kind of
// package, of those that compare, it came as.
func TestTheHighestOfALineIsThereHoweverItIsWritten(t *testing.T) {
	for _, c := range []struct{ name, system, highest, asks, as, line string }{
		{"another kind of package", "pe", "17.0.12", "msi", "17.0.5", "21"},
		{"and a name", "msi", "17.0.12", "name", "17.0.5", "21"},
		{"a V before it", "name", "17.0.12", "name", "V17.0.5", "21"},
		{"zeros before it", "name", "17.0.12", "name", "017.0.5", "21"},
		{"numbers that are left out", "name", "17", "name", "17.0-rc1", "21"},
		{"a line of another epoch has its own", "deb", "2.9-1", "deb", "2.5-1", "1:2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.decide(allow(1).as(in(c.system, c.highest)))
			r.later(c.system, c.line)
			releases := r.of(allow(2).as(in(c.asks, c.as))).Past["vendor"].Releases
			if len(releases) != maxReleases || !slices.ContainsFunc(releases, func(p policy.PastRelease) bool { return p.Version == c.highest }) {
				t.Errorf("%s is not among the %d releases", c.highest, len(releases))
			}
		})
	}
}

// Who has always published is known although many releases since were signed by somebody else besides.
func TestWhoHasPublishedIsNotForgotten(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1).as(app("1.0.0")))
	both := app("1.1.0")
	both.Publishers = []string{"o:Mallory", "o:Vendor"}
	for i := range maxReleases + 8 { // the same version in ever other bytes
		r.decide(allow(100 + i).as(both))
	}
	releases := r.of(allow(2).as(app("1.1.0"))).Past["vendor"].Releases
	if len(releases) != maxReleases || !slices.Equal(releases[maxReleases-1].Publishers, []string{"o:Vendor"}) {
		t.Errorf("of %d releases the earliest is by %q", len(releases), releases[len(releases)-1].Publishers)
	}
}

// Bytes that were let through under a higher version, too, are there under the lower one as well.
func TestTheHighestIsThereUnderItsOtherVersions(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1).as(in("name", "99.0")))
	r.decide(allow(1).as(in("name", "2.0")))
	r.later("name", "2")
	releases := r.of(allow(2).as(in("name", "2.1"))).Past["vendor"].Releases
	for _, version := range []string{"99.0", "2.0"} {
		if !slices.ContainsFunc(releases, func(p policy.PastRelease) bool { return p.Version == version && p.SHA256 == sum(1) }) {
			t.Errorf("%s is not there", version)
		}
	}
}
