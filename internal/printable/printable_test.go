package printable

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		in, want string
		max      int
	}{
		{"3CX Ltd", "3CX Ltd", 0},
		{"Müller & Söhne", "Müller & Söhne", 0},
		{"a\r\nSet-Cookie: x", `a\r\nSet-Cookie: x`, 0},
		{"\x1b[2Jgone", `\x1b[2Jgone`, 0},
		{"evil\u202egnp.exe", `evil\u202egnp.exe`, 0},
		{"zero\u200bwidth", `zero\u200bwidth`, 0},
		{"no\u00a0break", "no break", 0},
		{"\xff\xfe", `\xff\xfe`, 0},
		{"abcdef", "abc…", 4},
		{"abcd", "abcd", 4},
		{"", "", 1},
	} {
		if got := Text(c.in, c.max); got != c.want {
			t.Errorf("Text(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}

func TestASCIIIsCutAfterAWord(t *testing.T) {
	for _, c := range []struct {
		in, want string
		max      int
	}{
		{"the quick brown fox", "the quick...", 15},
		{"the quick brown fox", "the quick brown fox", 19},
		{"abcdefghijkl", "abcde...", 8},
		{"é!", `\u00e9!`, 0},
		{"abcdef", "ab", 2},
	} {
		if got := ASCII(c.in, c.max); got != c.want {
			t.Errorf("ASCII(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x00\u202e\xff…", 3)
	f.Fuzz(func(t *testing.T, s string, max int) {
		out := Text(s, max)
		if max > 0 && utf8.RuneCountInString(out) > max {
			t.Errorf("%q has more than %d runes", out, max)
		}
		for _, r := range out {
			if !unicode.IsPrint(r) {
				t.Errorf("%q holds %U", out, r)
			}
		}
		if a := ASCII(s, max); strings.ContainsFunc(a, func(r rune) bool { return r < ' ' || r > '~' }) || max > 0 && len(a) > max {
			t.Errorf("ASCII(%q, %d) = %q", s, max, a)
		}
	})
}
