package reputation

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func bytesContent(b []byte) content { return content{bytes.NewReader(b), int64(len(b))} }

func newTestReader(how Reading, size int64, put func(*entry) error) *reader {
	return &reader{Reading: how, ctx: context.Background(), at: testTime, limits: defaultLimits(size), put: put}
}

// fuzzFormat reads arbitrary bytes as a format, and demands what must hold of whatever comes of them: errors are refusals,
// never about us; entries are what their kind says; the counts fit; there is no more than there can be; what is taken is
// found again; a known-good list takes nothing weak; and an ended entry is not taken.
func fuzzFormat(f *testing.F, format Format, seeds ...string) {
	files, err := filepath.Glob("testdata/lists/*.in")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
	}
	for _, s := range seeds {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, good bool) {
		if len(data) > 64<<10 {
			return
		}
		taken := 0
		var keep []entry
		r := newTestReader(Reading{Format: format, Good: good, MaxUnreadable: 0.999}, int64(len(data)), func(e *entry) error {
			taken++
			checkEntry(t, e, good)
			if len(keep) < 50 {
				keep = append(keep, *e)
			}
			return nil
		})
		err := r.read(bytesContent(data))
		var refused *Refusal
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("an error that is no refusal: %v", err)
		}
		if s := r.summary; s.Entries != taken || len(s.Problems) != min(s.Unreadable, maxProblems) {
			t.Fatalf("%d taken, summary %+v", taken, s)
		}
		if format == FormatPlain && taken > bytes.Count(data, []byte("\n"))+1 {
			t.Fatalf("%d entries in %d lines", taken, bytes.Count(data, []byte("\n"))+1)
		}
		findAgain(t, keep)
	})
}

func checkEntry(t *testing.T, e *entry, good bool) {
	text := e.value != "" && e.kind != KindSHA512
	switch {
	case e.kind == KindNone || e.kind >= kinds, good && e.kind.Weak(), len(e.label) > maxLabel, e.line < 1,
		e.until != 0 && int64(e.until) <= testTime.Unix():
		t.Fatalf("a bad entry: %+v", e)
	case e.kind.digestSize() > 0 && text, e.kind.digestSize() == 0 && !text, (e.kind == KindPackage) != (e.detail != nil):
		t.Fatalf("an entry that is not what its kind says: %+v", e)
	case text && e.key != textKey(e.kind, e.value):
		t.Fatalf("an entry whose key does not fit: %+v", e)
	case strings.ContainsAny(e.value, "\r\n"):
		t.Fatalf("a value with line ends: %+v", e)
	}
}

// findAgain looks up, as a subject would be, what a list has named.
func findAgain(t *testing.T, entries []entry) {
	if len(entries) == 0 {
		return
	}
	v := &View{lists: []*list{{feed: &Feed{Name: "x"}, set: buildSet(t, "", 1<<20, entries)}}}
	for i := range entries {
		e := &entries[i]
		var s Subject
		sum := e.key[:min(e.kind.digestSize(), 32)]
		switch e.kind {
		case KindSHA256:
			copy(s.SHA256[:], sum)
			if s.SHA256.IsZero() {
				continue
			}
		case KindSHA1:
			s.SHA1 = sum
		case KindMD5:
			s.MD5 = sum
		case KindCertSHA256:
			s.Certificates = []Certificate{{SHA256: sum}}
		case KindCertSHA1:
			s.Certificates = []Certificate{{SHA1: sum}}
		case KindURL:
			s.URLs = []string{"https://" + e.value}
		case KindDomain:
			s.URLs = []string{"https://below." + e.value + "/x"}
			if len(e.value) > 240 {
				continue
			}
		case KindHost:
			s.URLs = []string{"http://" + e.value + "/"}
			if strings.Contains(e.value, ":") {
				s.URLs = []string{"http://[" + e.value + "]/"}
			}
		case KindPackage:
			ecosystem, name, _ := strings.Cut(e.value, "/")
			s.Packages = []Package{{ecosystem, name, ""}}
			if member := e.detail.covers(s.Packages[0]); member == outside {
				continue
			}
		default:
			continue
		}
		if hits, err := v.Match(s); err != nil || len(hits) == 0 {
			t.Fatalf("%s %q is listed and not found: %v, %v", e.kind, e.value, hits, err)
		}
	}
}

func FuzzPlain(f *testing.F) {
	fuzzFormat(f, FormatPlain, "http://a.example/%2e%2e//x?y\n*.B.example\n[::1]\n")
}
func FuzzCSV(f *testing.F)        { fuzzFormat(f, FormatCSV, "\"a\"\"b\", \"c\"\n") }
func FuzzSTIX(f *testing.F)       { fuzzFormat(f, FormatSTIX, `{"objects":[]}`) }
func FuzzMISP(f *testing.F)       { fuzzFormat(f, FormatMISP, `[[{"Event":null}]]`) }
func FuzzOSV(f *testing.F)        { fuzzFormat(f, FormatOSV, `[]`, `{} {}`) }
func FuzzHashlookup(f *testing.F) { fuzzFormat(f, FormatHashlookup, `{}`) }
func FuzzKEV(f *testing.F)        { fuzzFormat(f, FormatKEV, kevList, `{"vulnerabilities":[]}`) }
func FuzzAny(f *testing.F) {
	fuzzFormat(f, FormatAuto, zipOf(f, "a.json", osvOf("A", "npm", "a")), zipOf(f, "a.csv", "sha256,x\n"), "\x1f\x8b\x08", "\xff\xfea\x00\n\x00")
}

// FuzzPattern demands that a pattern that names a digest by itself is never read as naming another.
func FuzzPattern(f *testing.F) {
	f.Add("[file:hashes.'SHA-256' = '" + hexOf("a", 32) + "' AND (url:value IN ('http://x.example/') OR NOT x:y = 1)]")
	f.Fuzz(func(t *testing.T, pattern string) {
		if len(pattern) > 4096 {
			return
		}
		alternatives, err := parsePattern(pattern)
		if err != nil {
			return
		}
		for _, terms := range alternatives {
			list, err := stixEntries(terms)
			for i := range list {
				if n := list[i].kind.digestSize(); err == nil && n > 0 && n <= 32 && !strings.Contains(strings.ToLower(strings.ReplaceAll(pattern, `\`, "")), fmtKey(list[i].key, n)) {
					t.Fatalf("%q names %x", pattern, list[i].key)
				}
			}
		}
	})
}

func fmtKey(k key, n int) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range k[:n] {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// FuzzLocation demands that normalising is done once and for all, and that a scheme, a fragment or a usual port change nothing.
func FuzzLocation(f *testing.F) {
	f.Add("http://EVIL.example:80/a/../b%2Eexe?x=1#frag")
	f.Add("ftp://[2001:db8::1]:21/%zz")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := parseLocation(s)
		if err != nil {
			return
		}
		again, err := parseLocation("https://" + l.whole)
		if err != nil || again != l {
			t.Fatalf("%q: %+v, then %+v, %v", s, l, again, err)
		}
	})
}

// FuzzSet opens arbitrary bytes as a set.
func FuzzSet(f *testing.F) {
	e := digestEntry(KindSHA256, bytes.Repeat([]byte{1}, 32))
	e.label = "x"
	b, err := newBuilder("", 10)
	if err != nil {
		f.Fatal(err)
	}
	var whole bytes.Buffer
	if err := b.add(&e); err != nil {
		f.Fatal(err)
	}
	if _, err := b.write(&whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := openSet(bytes.NewReader(data), int64(len(data)), nil)
		if err != nil {
			return
		}
		n := 0
		for range s.Added(nil) {
			n++
		}
		if n > s.Len() {
			t.Fatalf("%d entries of %d", n, s.Len())
		}
		s.find(KindSHA256, e.key)
	})
}
