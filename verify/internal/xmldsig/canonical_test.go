package xmldsig

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// documents are inputs on which canonicalisers are known to differ.
var documents = map[string]string{
	"namespaces":         `<a:r xmlns:a="urn:a" xmlns:b="urn:b" xmlns="urn:d"><b:x><y xmlns=""><z xmlns="urn:d"/></y></b:x><a:q xmlns:b="urn:b2" b:t="1"/></a:r>`,
	"redeclared":         `<r xmlns:a="urn:a"><x xmlns:a="urn:a" a:k="v"><y xmlns:a="urn:b"><a:z/></y></x></r>`,
	"attribute order":    `<r xmlns:b="urn:a" xmlns:a="urn:b" a:z="1" b:z="2" z="3" a:a="4" b:a="5" a="6" xml:lang="de" xmlns="urn:0"/>`,
	"default undeclared": `<r><x xmlns="urn:x"><y xmlns=""><z/></y><w xmlns="" a="b"/></x></r>`,
	"xml attributes":     `<r xml:lang="en" xml:space="preserve" xml:base="http://x/"><x xml:lang="de"><y xml:id="i"/></x></r>`,
	"CDATA":              `<r>a<![CDATA[<&>]]]]><![CDATA[>]]>b<![CDATA[]]></r>`,
	"entities":           `<r a="&lt;&amp;&quot;&apos;&gt;&#9;&#10;&#13;&#x20AC;">&lt;&amp;&quot;&apos;&gt;&#9;&#10;&#13;&#x1F600;</r>`,
	"white space":        "<r\n\ta = '1\t2\n3  4'\r\n  b\t=\t\"x\r\ny\" >\r\n <x />\r\r\n</r  >\n\n",
	"instructions":       "<?a?>\n<?b  c d ?><!-- e --><r><?f g?><!--h--><?i?></r>\n<?j k?><!--l-->\n<?m?>",
	"declaration":        "<?xml version='1.0' encoding='UTF-8' standalone=\"yes\" ?>\n<!-- a --><r/>",
	"mark":               "\ufeff<?xml version=\"1.0\"?><r>\u00fc\u20ac\U0001F600</r>",
	"names":              "<r:\u00e9t\u00e9 xmlns:r=\"urn:u\" \u00e4=\"\u00f6\" r:_.-1=\"x\"/>",
	"relic manifest":     `<asmv1:assembly xmlns:asmv1="urn:schemas-microsoft-com:asm.v1" xmlns="urn:schemas-microsoft-com:asm.v2" xmlns:dsig="http://www.w3.org/2000/09/xmldsig#"><asmv1:assemblyIdentity name="a&quot;b"/><dependency><hash><dsig:DigestValue>x</dsig:DigestValue></hash></dependency></asmv1:assembly>`,
}

// xmllint returns the tool's canonical form of a document, or nothing if it refuses the document.
func xmllint(t *testing.T, flag string, doc []byte) ([]byte, bool) {
	t.Helper()
	tool, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed: the comparison with it is left out")
	}
	path := filepath.Join(t.TempDir(), "in.xml")
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), tool, "--nonet", flag, path)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err = cmd.Run()
	return out.Bytes(), err == nil && complaints.Len() == 0
}

// TestCanonicalAsXmllint compares whole documents; xmllint's two modes keep comments.
func TestCanonicalAsXmllint(t *testing.T) {
	for name, doc := range documents {
		for flag, m := range map[string]Method{"--c14n": {Comments: true}, "--exc-c14n": {Exclusive: true, Comments: true}} {
			t.Run(name+flag, func(t *testing.T) {
				d, err := Parse([]byte(doc))
				if err != nil {
					t.Fatal(err)
				}
				want, ok := xmllint(t, flag, []byte(doc))
				if got := d.Canonical(m, nil); !ok || !bytes.Equal(got, want) {
					t.Errorf("accepted by xmllint: %v\n got %q\nwant %q", ok, got, want)
				}
			})
		}
	}
}

// generate makes a random document of the constructs that matter to canonicalisation.
func generate(rng *rand.Rand) string {
	var b strings.Builder
	prefixes := []string{"", "a", "b", "c"}
	var element func(depth int)
	element = func(depth int) {
		name := prefixes[rng.IntN(4)]
		var attributes []string
		used := map[string]bool{name: true}
		for _, p := range []string{"a", "b", "xml"} {
			if rng.IntN(3) == 0 {
				value := []string{"1", "&lt;&#9;", "x  y", "\t\n", "&quot;&amp;'"}[rng.IntN(5)]
				attributes = append(attributes, fmt.Sprintf(`%s:%c="%s"`, p, 'k'+rune(rng.IntN(3)), value))
				used[p] = true
			}
		}
		for range rng.IntN(2) {
			attributes = append(attributes, fmt.Sprintf(`%c="v"`, 'p'+rune(rng.IntN(3))))
		}
		for _, p := range prefixes {
			space := fmt.Sprintf("urn:%d", rng.IntN(3))
			if depth == 0 && p != "" || rng.IntN(4) == 0 {
				if p == "" {
					if rng.IntN(2) == 0 {
						space = ""
					}
					attributes = append(attributes, fmt.Sprintf(`xmlns="%s"`, space))
				} else {
					attributes = append(attributes, fmt.Sprintf(`xmlns:%s="%s"`, p, space))
				}
			}
		}
		rng.Shuffle(len(attributes), func(i, j int) { attributes[i], attributes[j] = attributes[j], attributes[i] })
		tag := "e"
		if name != "" {
			tag = name + ":e"
		}
		b.WriteString("<" + tag + " " + strings.Join(attributes, "\n ") + ">")
		for range rng.IntN(4) {
			switch rng.IntN(6) {
			case 0:
				b.WriteString("<!-- c -->")
			case 1:
				b.WriteString("<?t d ?>")
			case 2:
				b.WriteString("x&gt;\r\n\r<![CDATA[<]]>")
			default:
				if depth < 4 {
					element(depth + 1)
				}
			}
		}
		b.WriteString("</" + tag + ">")
	}
	element(0)
	return b.String()
}

func TestCanonicalAsXmllintOnRandomDocuments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	n, refused := 60, 0
	for range n {
		doc := generate(rng)
		d, err := Parse([]byte(doc))
		for flag, m := range map[string]Method{"--c14n": {Comments: true}, "--exc-c14n": {Exclusive: true, Comments: true}} {
			want, ok := xmllint(t, flag, []byte(doc))
			if (err == nil) != ok {
				t.Fatalf("ours: %v, xmllint accepts: %v\n%s", err, ok, doc)
			}
			if err != nil {
				refused++
				continue
			}
			if got := d.Canonical(m, nil); !bytes.Equal(got, want) {
				t.Fatalf("%s of %q\n got %q\nwant %q", flag, doc, got, want)
			}
		}
	}
	if refused > n {
		t.Errorf("%d of %d comparisons were of refused documents", refused, 2*n)
	}
}

// TestRefusesAsXmllint holds documents that are not well-formed, and that a lax parser would take.
func TestRefusesAsXmllint(t *testing.T) {
	for _, doc := range []string{
		`<a><b></a></b>`, `<a>`, `<a/><b/>`, `<a b="1" b="2"/>`, `<a xmlns:p="urn:x" xmlns:q="urn:x" p:k="" q:k=""/>`, `<p:a/>`, `<a p:b=""/>`,
		`<a b=1/>`, `<a b="<"/>`, `<a>&nbsp;</a>`, `<a>&#0;</a>`, `<a>&#xD800;</a>`, `<a>&amp</a>`, `<a>]]></a>`, `<a><!-- -- --></a>`,
		"<a>\x01</a>", "<a>\xff</a>", `<a b="1"c="2"/>`, `<?xml version="1.0"?><?xml version="1.0"?><a/>`, ` <?xml version="1.0"?><a/>`, `<a><?xml x?></a>`,
		`<1/>`, `<a:b:c xmlns:a="urn:x"/>`, `<a xmlns:xmlns="urn:x"/>`, `<a xmlns:p=""/>`, ``, ` `, `x`, `<a/>x`, `<a b="&#65536000000;"/>`, `<a><![CDATA[</a>`,
		`<a>&#x;</a>`, `<a>&#;</a>`, `<a>&#+65;</a>`, `<a>&#x_1;</a>`, `<a xmlns:xml="urn:x"/>`, `<!-- a`, `<a/><!-`,
	} {
		if _, err := Parse([]byte(doc)); err == nil {
			t.Errorf("accepted: %q", doc)
		}
		if _, ok := xmllint(t, "--c14n", []byte(doc)); ok {
			t.Errorf("xmllint accepts %q", doc)
		}
	}
}

func TestRefusesWhatXmllintTakes(t *testing.T) {
	for name, doc := range map[string]string{
		"document type":   `<!DOCTYPE a><a/>`,
		"external entity": `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`,
		"UTF-16":          "\xff\xfe<\x00a\x00/\x00>\x00",
		"other encoding":  `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`,
		"relative name":   `<a xmlns="x"/>`,
		"depth":           strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100),
		"attributes":      "<a " + manyAttributes(300) + "/>",
		"nodes":           "<a>" + strings.Repeat("<b/>", maxNodes) + "</a>",
	} {
		if _, err := Parse([]byte(doc)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `k%d="" `, i)
	}
	return b.String()
}
