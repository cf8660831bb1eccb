package strictxml

import (
	"strings"
	"testing"
)

func paths(b string) ([]string, error) {
	var out []string
	err := Read([]byte(b), Visitor{End: func(e Element) error {
		out = append(out, e.Path+" "+e.Attrs["a"]+" "+strings.TrimSpace(e.Text))
		return nil
	}})
	return out, err
}

func TestReadShowsElementsWithTheirPlace(t *testing.T) {
	got, err := paths("\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><!-- c --><x><y a='1'>text</y><z a='&lt;'/></x>\n")
	if want := "x/y 1 text;x/z < ;x  "; err != nil || strings.Join(got, ";") != want {
		t.Errorf("%q, %v, want %q", strings.Join(got, ";"), err, want)
	}
}

func TestReadRefusesWhatReadersDifferAbout(t *testing.T) {
	for name, b := range map[string]string{
		"nothing":           "",
		"document type":     "<!DOCTYPE x><x/>",
		"entity":            "<x>&evil;</x>",
		"two roots":         "<x/><y/>",
		"text before":       "text<x/>",
		"text after":        "<x/>text",
		"attribute twice":   "<x a='1' a='2'/>",
		"not closed":        "<x><y></y>",
		"closed crosswise":  "<x><y></x></y>",
		"too deep":          strings.Repeat("<x>", 40) + strings.Repeat("</x>", 40),
		"many attributes":   "<x" + manyAttributes(70) + "/>",
		"another encoding":  "<?xml version=\"1.0\" encoding=\"utf-7\"?><x/>",
		"UTF-16":            "\xff\xfe<\x00x\x00/\x00>\x00",
		"no UTF-8":          "<x a='\xff'/>",
		"an overlong name":  "<x" + strings.Repeat("y", 2000) + "/>",
		"cut off":           "<x",
		"no value":          "<x a/>",
		"forbidden control": "<x>\x01</x>",
	} {
		if got, err := paths(b); err == nil {
			t.Errorf("%s: read as %q", name, got)
		}
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strings.Repeat("b", i) + "='1'")
	}
	return b.String()
}

func FuzzRead(f *testing.F) {
	f.Add("<?xml version=\"1.0\"?><x><y a='1'>text</y></x>")
	f.Add("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")
	f.Fuzz(func(t *testing.T, b string) {
		open := 0
		err := Read([]byte(b), Visitor{
			Start: func(e Element) error { open++; return nil },
			End: func(e Element) error {
				if open--; open < 0 || open != strings.Count(e.Path, "/") {
					t.Fatalf("%q ends inside %d elements", e.Path, open)
				}
				return nil
			},
		})
		if err == nil && open != 0 {
			t.Fatalf("%d elements stay open", open)
		}
	})
}
