package tufclient

import (
	"path"
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"targets/*.tgz", "targets/foo.tgz", true}, {"targets/*.tgz", "targets/foo.txt", false}, {"targets/*.tgz", "targets/a/foo.tgz", false},
		{"foo-version-?.tgz", "foo-version-2.tgz", true}, {"foo-version-?.tgz", "foo-version-ä.tgz", true}, {"foo-version-?.tgz", "foo-version-alpha.tgz", false}, {"foo-version-?.tgz", "foo-version-.tgz", false},
		{"*.tgz", "foo.tgz", true}, {"*.tgz", "targets/foo.tgz", false}, {"foo.tgz", "foo.tgz", true}, {"foo.tgz", "Foo.tgz", false},
		{"*", "", true}, {"*", "a/b", false}, {"?", "/", false}, {"a?b", "a/b", false}, {"*/*", "a/b", true}, {"**", "a/b", false}, {"a/**", "a/b/c", false},
		{"*a*b", "xaxb", true}, {"*a*b", "xbxa", false}, {"a*a*a", "aa", false}, {"", "", true}, {"", "a", false}, {"a", "", false},
		{"[ab]", "a", true}, {"[ab]", "c", false}, {"[!ab]", "c", true}, {"[!ab]", "a", false}, {"[a-c]x", "bx", true}, {"[c-a]", "b", false},
		{"[]]", "]", true}, {"[]", "[]", true}, {"[a", "[a", true}, {"[a", "a", false}, {"[!a]", "/", false}, {"x[a/b]y", "xay", false}, {"[a-]", "-", true},
		{"[^a]", "b", false}, {"[^a]", "^", false}, {`\*`, "*", false}, {`\*`, `\x`, false}, {`a\b`, `a\b`, false},
		{"a/", "a/", true}, {"a/*", "a/", true}, {"/a", "a", false}, {"*/a", "/a", true},
	} {
		work := 1 << 20
		if got := matchPath(c.pattern, c.path, &work); got != c.want {
			t.Errorf("matchPath(%q, %q) = %v", c.pattern, c.path, got)
		}
	}
}

func TestPatternsEndWhenTheWorkDoes(t *testing.T) {
	work := 1000
	if matchPath(strings.Repeat("*a", 100)+"b", strings.Repeat("a", 10000), &work) || work >= 0 {
		t.Errorf("%d is left", work)
	}
}

// Without sets and backslashes there is one reading of a pattern, that of package path.
func TestPatternsAreThoseOfPackagePath(t *testing.T) {
	letters := []string{"a", "b", "*", "?", "/", "ä"}
	text := func(seed []byte, n int) string {
		var b strings.Builder
		for _, s := range seed {
			b.WriteString(letters[int(s)%n])
		}
		return b.String()
	}
	err := quick.Check(func(p, s []byte) bool {
		return samePattern(t, text(p, 6), strings.NewReplacer("*", "", "?", "").Replace(text(s, 6)))
	}, &quick.Config{MaxCount: 20000})
	if err != nil {
		t.Error(err)
	}
}

func samePattern(t *testing.T, pattern, s string) bool {
	work := 1 << 20
	want, err := path.Match(pattern, s)
	got := matchPath(pattern, s, &work)
	if err == nil && got != want {
		t.Logf("matchPath(%q, %q) = %v", pattern, s, got)
		return false
	}
	return true
}

// FuzzPattern: no pattern takes more than the work allowed, and none lets a wildcard cross a slash.
func FuzzPattern(f *testing.F) {
	f.Add("a/*", "a/b")
	f.Add("[!a-c]?*", "xyz")
	f.Add("[]-]", "-")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		work := 1 << 16
		got := matchPath(pattern, s, &work)
		if work < -1 {
			t.Fatalf("%d more than the work allowed", -work)
		}
		if got && strings.Count(pattern, "/") != strings.Count(s, "/") {
			t.Fatalf("%q matches %q", pattern, s)
		}
		if utf8.ValidString(pattern+s) && !strings.ContainsAny(pattern, `[\`) && work >= 0 && !samePattern(t, pattern, s) {
			t.Fatal("package path disagrees")
		}
	})
}

func TestWhatASetCostsIsWork(t *testing.T) {
	path := strings.Repeat("x", 64)
	for _, pattern := range []string{"*[" + strings.Repeat("a", 1<<16) + "]", "*[" + strings.Repeat("a", 1<<16)} {
		work := 1 << 21
		if matchPath(pattern, path, &work) || work >= 0 {
			t.Errorf("%.10q: %d of %d steps are left after 64 times 65,536 comparisons", pattern, work, 1<<21)
		}
	}
}
