package unpack

import (
	"testing"

	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

// Packages of which rpm installs, or runs, something else than a reader of one tag sees.
func TestRPMsThatSayThingsTwiceAreInvalid(t *testing.T) {
	file := []rpmtest.File{{Path: "/etc/cron.d/job", Content: "* * * * * root x"}}
	for name, p := range map[string]rpmtest.Package{
		"names in the old way and in the new": {Files: file, Header: []rpmtest.Tag{{Number: 1027, Value: []string{"/usr/share/doc/readme.txt"}}}},
		"a scriptlet that is a number":        {Files: file, Header: []rpmtest.Tag{{Number: 1023, Value: []uint32{1}}}},
		"an interpreter that is a number":     {Files: file, Header: []rpmtest.Tag{{Number: 1085, Value: []uint32{1}}}},
	} {
		data, err := p.Build()
		if err != nil {
			t.Fatal(err)
		}
		if _, method, codes := openUnix(t, "x.rpm", data); method != "rpm" || codes != "rpm/malformed" {
			t.Errorf("%s: %s: %q", name, method, codes)
		}
	}
}
