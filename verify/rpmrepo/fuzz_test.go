package rpmrepo

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// simple is a primary.xml as encoding/xml reads it.
type simple struct {
	XMLName  xml.Name `xml:"metadata"`
	Packages []struct {
		Size []struct {
			Package string `xml:"package,attr"`
		} `xml:"size"`
		Location []struct {
			Href string `xml:"href,attr"`
		} `xml:"location"`
	} `xml:"package"`
}

const primaryXML = `<?xml version="1.0" encoding="UTF-8"?>
<!-- a > comment -->
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="2">
<package type="rpm">
  <name>a&amp;b</name>
  <checksum type="sha256" pkgid="YES">aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</checksum>
  <size package="12" installed="1" archive="2"/>
  <location href="Packages/a&amp;b-1&gt;.rpm"/>
  <format><rpm:entry name="x > y"/><size package="99"/><location href="evil"/></format>
</package>
<package type="rpm"><checksum type="sha" pkgid="YES">bbbb</checksum><size package='13'/><location xml:base="" href='b.rpm'/></package>
</metadata>`

func TestParsePrimary(t *testing.T) {
	x, err := parsePrimary(strings.NewReader(primaryXML))
	if err != nil {
		t.Fatal(err)
	}
	if rows := x.lookup("Packages/a&b-1>.rpm"); len(rows) != 1 || rows[0].size != 12 || rows[0].weak || rows[0].sum.String() != strings.Repeat("a", 64) {
		t.Errorf("%+v", rows)
	}
	if rows := x.lookup("b.rpm"); len(rows) != 1 || !rows[0].weak {
		t.Errorf("%+v", rows)
	}
	if rows := x.lookup("evil"); len(rows) != 0 {
		t.Errorf("what lies deeper is taken for a location: %+v", rows)
	}
}

func TestParsePrimaryRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"document type":   `<!DOCTYPE metadata><metadata packages="0"></metadata>`,
		"other root":      `<otherdata packages="0"></otherdata>`,
		"two roots":       `<metadata packages="0"></metadata><metadata packages="0"></metadata>`,
		"no end":          `<metadata packages="0">`,
		"ends in a tag":   `<metadata packages="0"><package`,
		"too many ends":   `<metadata packages="0"></metadata></metadata>`,
		"nothing":         ``,
		"packages lost":   `<metadata packages="3"></metadata>`,
		"two locations":   `<metadata><package><location href="a"/><location href="b"/></package></metadata>`,
		"two sizes":       `<metadata><package><size package="1"/><size package="2"/></package></metadata>`,
		"wrong size":      `<metadata><package><size package="-1"/></package></metadata>`,
		"wrong checksum":  `<metadata><package><checksum type="sha256">zz</checksum></package></metadata>`,
		"way outside":     `<metadata><package><location href="http://example.com/a"/></package></metadata>`,
		"unknown entity":  `<metadata><package><location href="&evil;"/></package></metadata>`,
		"deep":            "<metadata>" + strings.Repeat("<a>", 100),
		"endless tag":     "<metadata " + strings.Repeat("a", maxTag),
		"endless text":    `<metadata><package><checksum type="sha256">` + strings.Repeat("a", 2*maxText) + `</checksum>`,
		"endless comment": "<metadata><!--" + strings.Repeat("a", 2*maxTag),
	} {
		if _, err := parsePrimary(strings.NewReader(text)); !errors.Is(err, errPrimary) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := parsePrimary(strings.NewReader(`<metadata packages="0"></metadata>`)); err != nil {
		t.Errorf("an empty repository: %v", err)
	}
}

// FuzzParsePrimary holds the scanner against encoding/xml: what that reads as a list of packages is read alike.
func FuzzParsePrimary(f *testing.F) {
	f.Add([]byte(primaryXML))
	f.Add([]byte(`<metadata packages="1"><package><checksum type="sha512">x</checksum></package></metadata>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parsePrimary(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, errPrimary) {
				t.Fatal(err)
			}
			return
		}
		var want simple
		d := xml.NewDecoder(bytes.NewReader(data))
		if d.Decode(&want) != nil || bytes.Contains(data, []byte("<![CDATA[")) {
			return
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return
		}
		hrefs := map[string]bool{}
		for _, p := range want.Packages {
			for _, l := range p.Location {
				if name, err := cleanHref(l.Href); err == nil {
					hrefs[name] = true
				}
			}
		}
		if len(x.rows) > len(want.Packages) {
			t.Errorf("%d packages, and encoding/xml sees %d", len(x.rows), len(want.Packages))
		}
		found := 0
		for name := range hrefs {
			found += len(x.lookup(name))
		}
		if found < len(x.rows) {
			t.Errorf("%d packages, of which encoding/xml sees %d: %v", len(x.rows), found, hrefs)
		}
	})
}

func FuzzParseRepomd(f *testing.F) {
	w := newWorld(f)
	w.publish()
	f.Add(w.repo.Get(repomd))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseRepomd(data)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if len(file.Sum) < 70 || strings.HasPrefix(file.Name, "/") {
				t.Errorf("%+v", file)
			}
		}
	})
}

func BenchmarkPrimary(b *testing.B) {
	var s strings.Builder
	s.WriteString(`<?xml version="1.0"?><metadata xmlns="http://linux.duke.edu/metadata/common" packages="20000">`)
	for i := range 20000 {
		fmt.Fprintf(&s, "<package type=\"rpm\">\n  <name>package%d</name>\n  <arch>x86_64</arch>\n  <version epoch=\"0\" ver=\"1.%d\" rel=\"1.fc42\"/>\n"+
			"  <checksum type=\"sha256\" pkgid=\"YES\">%064x</checksum>\n  <summary>%s</summary>\n  <size package=\"%d\" installed=\"2\" archive=\"3\"/>\n"+
			"  <location href=\"Packages/p/package%d-1.%d-1.fc42.x86_64.rpm\"/>\n  <format>\n    <rpm:license>MIT</rpm:license>\n%s  </format>\n</package>\n",
			i, i, i, strings.Repeat("words ", 20), 1000+i, i, i, strings.Repeat("    <rpm:entry name=\"libc.so.6(GLIBC_2.34)(64bit)\" flags=\"EQ\" epoch=\"0\"/>\n", 12))
	}
	s.WriteString("</metadata>")
	text := s.String()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if x, err := parsePrimary(strings.NewReader(text)); err != nil || len(x.rows) != 20000 {
			b.Fatal(err)
		}
	}
}
