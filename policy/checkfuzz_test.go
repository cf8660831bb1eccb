package policy

import (
	"strings"
	"testing"
	"testing/fstest"
)

// Whatever a policy and a fragment hold: what is said of them has a place in one of the two, on one line, and a draft with errors lets
// nothing through.
func FuzzCheck(f *testing.F) {
	for _, src := range languageExamples(f) {
		f.Add([]byte(src), []byte(vendorFragment))
	}
	f.Add([]byte("version: 1\nuse: [catalogue/vendor]\n"), []byte(vendorFragment))
	f.Add([]byte("version: 1\nuse: [{name: catalogue/vendor, mode: enforce, require: [{if: \"size\"}]}]\nchannels: [{name: x, host: y}]\n"), []byte(keysFragment))
	f.Add([]byte("version: 1\nzz: \"\u2028\u0085\"\n"), []byte("\ufeffcatalogue: 1\r\nname: vendor\r\n"))
	files := testFiles()
	f.Fuzz(func(t *testing.T, src, fragment []byte) {
		if len(src)+len(fragment) > 1<<16 {
			return
		}
		catalogue := fstest.MapFS{"channels/vendor.yaml": {Data: fragment}, "anchors/archive.gpg": {Data: keyringData()}}
		c := Check("p.yaml", files, src, WithCatalogue(catalogue))
		lines := map[string]int{"p.yaml": len(editorLines(string(src))), "catalogue/vendor.yaml": len(editorLines(string(fragment)))}
		for _, w := range append(append([]Warning{}, c.Untried...), c.Warnings...) {
			if lines[w.File] == 0 || w.Line < 1 || w.Line > lines[w.File]+1 || w.Message == "" || strings.Contains(w.Message, "\n") {
				t.Fatalf("%+v", w)
			}
		}
		for _, e := range c.Errors {
			if lines[e.File] == 0 || e.Line > lines[e.File]+1 || e.Column < 0 {
				t.Fatalf("%+v", e)
			}
		}
		if (c.Policy == nil) != (len(c.Errors) > 0) {
			t.Fatal("a policy with errors, or none without")
		}
		if d := c.Draft.Decide(Facts{Request: Request{URL: parseTestURL(t, "https://one.example/x")}}); c.Policy == nil && d.Action != Block {
			t.Fatalf("a draft with errors decides %s", d.Action)
		}
		if a, _ := c.Draft.Host(Client{}, "one.example"); c.Policy == nil && a != DenyHost {
			t.Fatalf("a draft with errors lets hosts through: %s", a)
		}
	})
}
