package policy

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is printed now into testdata")

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Each file of testdata/bad is named after its defect, and ends with the errors it gives, as comments.
func TestBadPoliciesAreRefusedWithEveryErrorInPlace(t *testing.T) {
	names, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d files, error %v", len(names), err)
	}
	const mark = "# errors:\n"
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			src, want, _ := strings.Cut(string(data), mark)
			_, err = Parse("p", testFiles(), []byte(src))
			var es Errors
			if !errors.As(err, &es) {
				t.Fatalf("the error is %v, not Errors", err)
			}
			got := "# " + strings.ReplaceAll(es.Error(), "\n", "\n# ") + "\n"
			if *update {
				write(t, name, []byte(src+mark+got))
			} else if got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

func TestHostileFilesAreBounded(t *testing.T) {
	for name, src := range map[string]string{
		"depth":       "version: 1\nanchors: " + strings.Repeat("[", 200) + strings.Repeat("]", 200),
		"block depth": "version: 1\nchannels:\n- name: a\n  require:\n  - " + strings.Repeat("not: {", 100) + strings.Repeat("}", 100),
		"alias bomb":  "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
		"size":        strings.Repeat("#", maxFile+1),
		"many errors": "version: 1\n" + "defaults:\n" + strings.Repeat("  ? [x]\n  : 1\n", 1000),
		"empty":       "",
		"comment":     "# nothing\n",
		"not UTF-8":   "version: \xff\n",
		"NUL":         "version: \"\x00\"\n",
	} {
		_, err := Parse("p", nil, []byte(src))
		var es Errors
		if !errors.As(err, &es) || len(es) == 0 || len(es) > maxErrors+1 {
			t.Errorf("%s: %d errors: %.200v", name, len(es), err)
		}
	}
}
