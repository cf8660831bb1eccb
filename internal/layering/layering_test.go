// Package layering holds the test that keeps the imports of this module pointing one way. It reads the source files
// itself: a test that asked the go command would be answered from the test cache after a file had changed.
package layering

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sallyport-project/sallyport"

// layers says what the packages of each tree may import of this module, besides their own tree's internal packages.
// The longest matching tree counts; "+" stands for every package that lies in the tree itself.
var layers = []struct {
	tree string
	may  []string
}{
	{"internal", nil},
	{"verify", nil},
	{"verify/internal", []string{"verify", "verify/internal/+"}},
	{"verify/verifytest", []string{"verify", "verify/verifytest/+"}},
	{"verify/unpack", []string{"verify", "verify/internal/+"}},
	{"verify/*", []string{"verify", "verify/internal/+", "internal/printable"}},
	{"verify/formats", []string{"verify", "verify/+"}},
	{"policy", []string{"verify", "internal/+"}},
	{"policy/audit", []string{"verify", "policy", "internal/+"}},
	{"policy/learn", []string{"internal/+"}},
	{"policy/audit/replay", []string{"verify", "policy", "policy/audit", "internal/+"}},
	{"policy/reputation", []string{"verify", "policy", "policy/audit", "internal/+"}},
	{"policy/reputation/lookup", []string{"verify", "policy", "internal/+"}},
	{"policy/reputation/regret", []string{"verify", "policy", "policy/audit", "policy/reputation", "policy/reputation/ledger", "internal/+"}},
	{"proxy/mitm", []string{"internal/+"}},
	{"proxy/quarantine", []string{"verify", "policy", "policy/audit", "internal/+"}},
	{"proxy", []string{"verify", "policy", "policy/audit", "policy/reputation", "proxy/mitm", "proxy/quarantine", "internal/+"}},
	{"proxy/alert", []string{"verify", "policy", "policy/audit", "internal/+"}},
	{"proxy/console", []string{"verify", "policy", "policy/audit", "policy/audit/replay", "policy/reputation", "proxy", "proxy/mitm", "proxy/quarantine", "internal/+"}},
	{"configs", nil},
	{"cmd", []string{"+"}},
}

func TestImportsPointOneWay(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(file, root), string(os.PathSeparator)))
		if d.IsDir() {
			if name := d.Name(); rel != "" && (strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		// Tests may look anywhere, except that what verifies must not know who judges.
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := path.Dir(rel)
		for _, spec := range f.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if to != module && !strings.HasPrefix(to, module+"/") {
				checkForeign(t, rel, from, to)
				continue
			}
			to = strings.TrimPrefix(to, module+"/")
			if !allowed(from, to) {
				t.Errorf("%s: package %s must not import %s", rel, from, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Errorf("only %d Go files found below %s: the test looks in the wrong place", files, root)
	}
}

// checkForeign holds the rules about packages outside the module.
func checkForeign(t *testing.T, file, from, to string) {
	t.Helper()
	standard := !strings.Contains(strings.Split(to, "/")[0], ".")
	if from == "verify" && !standard {
		t.Errorf("%s: package verify stands on the standard library only, not on %s", file, to)
	}
	if (from == "policy" || from == "verify") && to == "net/http" {
		t.Errorf("%s: package %s knows no HTTP", file, from)
	}
}

func allowed(from, to string) bool {
	if helper(from) {
		return true
	}
	tree, may := rule(from)
	if tree == "cmd" {
		return true
	}
	return slices.ContainsFunc(may, func(m string) bool {
		if dir, all := strings.CutSuffix(m, "+"); all {
			return strings.HasPrefix(to, dir)
		}
		return m == to
	})
}

// helper reports whether a package exists for tests: it is named after the package it helps to test, or makes samples.
func helper(pkg string) bool {
	base := path.Base(pkg)
	return strings.HasSuffix(base, "test") || strings.HasPrefix(pkg, "verify/verifytest/")
}

func rule(pkg string) (tree string, may []string) {
	for _, l := range layers {
		match := pkg == l.tree || strings.HasPrefix(pkg, l.tree+"/")
		if dir, ok := strings.CutSuffix(l.tree, "/*"); ok {
			match = strings.HasPrefix(pkg, dir+"/")
		}
		if match && (len(l.tree) >= len(tree) || strings.HasSuffix(tree, "/*")) {
			if strings.HasSuffix(l.tree, "/*") && tree != "" && tree != strings.TrimSuffix(l.tree, "/*") {
				continue
			}
			tree, may = l.tree, l.may
		}
	}
	return tree, may
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"verify/apt", "verify", true},
		{"verify/apt", "verify/internal/pgp", true},
		{"verify/apt", "verify/authenticode", false},
		{"verify/apt", "policy", false},
		{"verify", "verify/internal/pgp", false},
		{"verify/formats", "verify/apt", true},
		{"policy", "proxy", false},
		{"policy", "verify", true},
		{"policy", "verify/apt", false},
		{"policy/audit", "policy", true},
		{"policy", "policy/audit", false},
		{"proxy/quarantine", "policy/audit", true},
		{"proxy/quarantine", "proxy", false},
		{"proxy/mitm", "policy", false},
		{"proxy", "verify/authenticode", false},
		{"proxy", "verify/formats", false},
		{"proxy", "proxy/quarantine", true},
		{"cmd/sallyport", "verify/formats", true},
		{"internal/durable", "verify", false},
	} {
		if got := allowed(c.from, c.to); got != c.want {
			t.Errorf("allowed(%s, %s) = %v, want %v", c.from, c.to, got, c.want)
		}
	}
}
