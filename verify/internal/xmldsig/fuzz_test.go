package xmldsig

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzCanonical looks for documents whose canonical form is not a document, or has another canonical form.
func FuzzCanonical(f *testing.F) {
	for _, doc := range documents {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		if err != nil {
			return
		}
		for _, m := range canonicalMethods {
			once := d.Canonical(m, nil)
			again, err := Parse(once)
			if err != nil {
				t.Fatalf("the canonical form is refused: %v\n%q", err, once)
			}
			if twice := again.Canonical(m, nil); !bytes.Equal(once, twice) {
				t.Fatalf("canonical twice:\n%q\n%q", once, twice)
			}
			for _, e := range d.Root.Elements() {
				if _, err := Parse(e.Canonical(m, nil)); err != nil {
					t.Fatalf("the canonical form of %s is refused: %v", e.Local, err)
				}
			}
		}
	})
}

// FuzzSignature looks for documents that are taken for signed although what is signed is not what was.
func FuzzSignature(f *testing.F) {
	key := rsaKey(f)
	good := signObject(f, key, "<a>good</a><b c=\"d\"></b>")
	f.Add([]byte(good))
	f.Add([]byte("<r>" + good + "</r>"))
	f.Add([]byte(strings.Replace(good, "<Object", "<Object Id=\"o\"/><Object", 1)))
	d, err := Parse([]byte(good))
	if err != nil {
		f.Fatal(err)
	}
	want := d.Root.Find(NS, "Object")[0].Canonical(Method{Exclusive: true}, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		if verify(b, &key.PublicKey) != nil {
			return
		}
		d, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := find(d.Root).Find(NS, "Object")[0].Canonical(Method{Exclusive: true}, nil); !bytes.Equal(got, want) {
			t.Fatalf("signed: %s", got)
		}
	})
}

// BenchmarkParse reads a document of a megabyte and writes it canonically.
func BenchmarkParse(b *testing.B) {
	doc := []byte(`<r xmlns="urn:r" xmlns:d="urn:d">` + strings.Repeat(`<file name="a\b.dll" size="12345"><d:hash d:alg="x">0123456789abcdef0123456789abcdef</d:hash></file>`+"\n", 10_000) + `</r>`)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		d, err := Parse(doc)
		if err != nil {
			b.Fatal(err)
		}
		d.Canonical(Method{Exclusive: true}, nil)
	}
}
