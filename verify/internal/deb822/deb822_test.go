package deb822

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// render writes lines in a form that a test can compare.
func render(r io.Reader) (string, error) {
	var b strings.Builder
	lines := NewReader(r)
	for {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		switch l.Kind {
		case Field:
			b.WriteString(string(l.Name) + "=" + string(l.Value))
		case Continuation:
			b.WriteString("+" + string(l.Value))
		case End:
			b.WriteString("--")
		}
		if l.Cut {
			b.WriteString("(cut)")
		}
		b.WriteString(";")
	}
}

func TestLines(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"fields and stanzas", "Package: a\nSize: 1\n\nPackage: b\n", "Package=a;Size=1;--;Package=b;"},
		{"continuation", "SHA256:\n abc 1 x\n\tdef 2 y\n", "SHA256=;+abc 1 x;+def 2 y;"},
		{"no newline at the end", "A: 1", "A=1;"},
		{"carriage returns and trailing space", "A: 1 \r\n\r\nB:2\t\n", "A=1;--;B=2;"},
		{"a line of spaces ends a stanza", "A: 1\n  \nB: 2\n", "A=1;--;B=2;"},
		{"colons in the value", "URL: http://x/\n", "URL=http://x/;"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := render(strings.NewReader(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusesWhatIsNoControlFile(t *testing.T) {
	for name, in := range map[string]string{
		"continuation of nothing":           " x\n",
		"continuation after a stanza":       "A: 1\n\n x\n",
		"no colon":                          "hello\n",
		"empty name":                        ": x\n",
		"space in the name":                 "A b: x\n",
		"comment":                           "# A: x\n",
		"control character in the name":     "A\x00: x\n",
		"a signature where a field belongs": "-----BEGIN PGP SIGNATURE-----\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := render(strings.NewReader(in)); !errors.Is(err, ErrSyntax) {
				t.Errorf("error %v, want ErrSyntax", err)
			}
		})
	}
}

func TestLongLinesAreCutAndSaySo(t *testing.T) {
	in := "A: " + strings.Repeat("x", 5*MaxLine) + "\nB: 1\n"
	r := NewReader(strings.NewReader(in))
	l, err := r.Next()
	if err != nil || !l.Cut || len(l.Value) > MaxLine {
		t.Fatalf("cut %v, %d bytes, error %v", l.Cut, len(l.Value), err)
	}
	l, err = r.Next()
	if err != nil || string(l.Name) != "B" || l.Cut {
		t.Fatalf("after a long line: %q, %v", l.Name, err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add("Package: a\nDepends: b,\n c\n\nPackage: d\n")
	f.Add("A:\n .\n\n\n")
	f.Add(strings.Repeat("A", MaxLine+1))
	f.Fuzz(func(t *testing.T, in string) {
		lines := NewReader(strings.NewReader(in))
		for n := 0; ; n++ {
			l, err := lines.Next()
			if err != nil {
				return
			}
			if n > len(in) {
				t.Fatal("more lines than bytes")
			}
			if l.Kind == Field && len(l.Name) == 0 || l.Kind == 0 {
				t.Fatalf("line without a kind or name: %+v", l)
			}
		}
	})
}
