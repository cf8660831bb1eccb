package sigstore

import (
	"slices"
	"testing"
)

func TestVersionsInNames(t *testing.T) {
	for name, want := range map[string]string{
		"app-1.2.3.tar.gz": "1.2.3", "app_v1.2.3_linux_amd64.tar.gz": "1.2.3", "app-1.2.3-rc.1.zip": "1.2.3-rc.1", "Setup 4.5.exe": "4.5", "app-1.2.3-arm64.dmg": "1.2.3",
		"python-3.12.0a7.tgz": "3.12.0a7", "app-1.2.3-linux-x86_64": "1.2.3", "app-2024.11.5.1.msi": "2024.11.5.1", "app-linux-amd64": "", "app-7.exe": "", "app-1.2.3.beta2.zip": "1.2.3.beta2",
	} {
		v, _, _, ok := findVersion(name)
		if ok != (want != "") || v.text != want {
			t.Errorf("%s: version %q, want %q", name, v.text, want)
		}
	}
	for _, list := range [][]string{
		{"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2", "1.10", "2.0.0"},
		{"3.12.0a7", "3.12.0b1", "3.12.0rc2", "3.12", "3.12.1"},
	} {
		for i := range list {
			for j := range list {
				v, _ := parseVersion(list[i])
				w, _ := parseVersion(list[j])
				if got := v.compare(w); (got < 0) != (i < j) || (got > 0) != (i > j) {
					t.Errorf("%s compared with %s: %d", list[i], list[j], got)
				}
			}
		}
	}
}

func TestLines(t *testing.T) {
	line := func(path, name string) string {
		p := &place{name: name, path: path + name}
		p.describe()
		return p.line("dl.example.com")
	}
	same := [][2]string{
		{"app/v1.2.3/", "app-1.2.3.zip"}, {"app/v1.3.0/", "app-1.3.0.zip"}, {"app/1.3/", "app-1.3.zip"},
	}
	for _, c := range same {
		if got, want := line(c[0], c[1]), line(same[0][0], same[0][1]); c[0] != "app/1.3/" && got != want {
			t.Errorf("%q is the line %q, not %q", c, got, want)
		}
	}
	if a, b := line("f/00/11/0123456789abcdef0123456789abcdef/", "app-1.0.zip"), line("f/22/33/fedcba9876543210fedcba9876543210/", "app-1.1.zip"); a != b || a == "" {
		t.Errorf("directories named by digests make two lines: %q, %q", a, b)
	}
	var seen []string
	for _, c := range [][2]string{{"app/v1.0.0/", "app-1.0.0.zip"}, {"app/v1.0.0/", "app-1.0.0.msi"}, {"tool/v1.0.0/", "app-1.0.0.zip"}, {"app/v1.0.0/", "app-1.0.0-arm64.zip"},
		{"app/-/", "app-1.0.0.tgz"}, {"@a/app/-/", "app-1.0.0.tgz"}, {"packages/", "app-1.0.0-py3-none-any.whl"}, {"packages/", "app-1.0.0-cp312-cp312-win_amd64.whl"}} {
		l := line(c[0], c[1])
		if l == "" || slices.Contains(seen, l) {
			t.Errorf("%q has the line %q of another", c, l)
		}
		seen = append(seen, l)
	}
	if l := line("latest/", "app.zip"); l != "" {
		t.Errorf("what has no version has the line %q", l)
	}
}

func TestShared(t *testing.T) {
	for template, want := range map[string]bool{
		"https://x/{name}": false, "https://x/{sha256}": false, "https://x/{package}@{version}": false, "https://x/{package}": true, "https://x/{version}": true, "https://x/all.jsonl": true, "https://x/{dir}/all.jsonl": true,
	} {
		if shared(template) != want {
			t.Errorf("%s is shared: %v", template, !want)
		}
	}
}
