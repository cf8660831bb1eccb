package versions

import (
	"strings"
	"testing"
)

func init() {
	for _, system := range []string{"name", "pe", "msi", "msix"} {
		versionOrders[system] = "1.0.0-alpha < 1.0.0-alpha.2 < 1.0.0-beta.1 = 1.0.0b1 < 1.0.0-rc1 = 1.0.0rc1 < 1 = 1.0 = v1.0.0 = 1.0.0.0 = 1.0.0+build.7 = 01.0 < 1.0.0a < 1.0.0-esr < 1.0.0.1 < 1.2 < 1.10 < 8u391 < 8u401 < 18.12.407 < 18.12.416.0 < 2026-01-31 < 18446744073709551617.0"
	}
	versionOrders["deb"], versionOrders["rpm"] = versionOrders["Debian"], versionOrders["Red Hat"]
}

func TestLooseVersionsAsResourcesWriteThem(t *testing.T) {
	for a, b := range map[string]string{"18, 12, 416, 0": "18.12.416", "10.0.19041.1 (WinBuild.160101.0800)": "10.0.19041.1", " 1.2 ": "1.2"} {
		if order, ok := Of("pe")(a, b); !ok || order != 0 {
			t.Errorf("%q against %q is %d (%v)", a, b, order, ok)
		}
	}
	for _, bad := range []string{"", "latest", "x1", ".1", "1..2", "1.", "1.0-", "1/2", strings.Repeat("1", 300)} {
		if order, ok := Of("name")(bad, "1.0"); ok {
			t.Errorf("%q compares as %d", bad, order)
		}
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{
		"3CXDesktopApp-18.12.416.msi": "18.12.416", "app_1.2.3-rc.1.tar.gz": "1.2.3-rc.1", "Setup1.2.exe": "1.2", "node-v20.1.0-x64.msi": "20.1.0",
		"Firefox Setup 120.0esr.exe": "120.0", "python-3.13.0a1-amd64.exe": "3.13.0a1", "app-1.2": "1.2", "app-1.2.7z": "1.2", "app-1.2.3": "1.2.3", "app-1.2.rc1": "1.2.rc1",
		"bash-5.1.8-9.el9.x86_64.rpm": "5.1.8", "app-1.2_app-1.2.zip": "1.2",
		"latest.exe": "", "app-120.exe": "", "": "", "app-1.2-win10.0.exe": "", "a..1.2.exe": "",
	} {
		from, to, ok := Find(name)
		if got := name[from:to]; ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q (%v), want %q", name, got, ok, want)
		}
	}
}

func TestBranch(t *testing.T) {
	for _, c := range []struct {
		system, version string
		n               int
		want            string
	}{
		{"name", "17.0.9", 1, "17"}, {"name", "17.0.9", 2, "17.0"}, {"name", "v08.1", 1, "8"}, {"name", "8", 3, "8.0.0"}, {"name", "8-rc1", 2, "8.0"}, {"msi", "8u391", 1, "8"},
		{"deb", "1:2.3-1", 1, "1:2"}, {"deb", "0:2.3-1", 1, "2"}, {"pypi", "2!1.0", 1, "2:1"}, {"npm", "1.2.3-rc.1", 2, "1.2"},
	} {
		if got, ok := Branch(c.system, c.version, c.n); !ok || got != c.want {
			t.Errorf("%s %s: %q (%v), want %q", c.system, c.version, got, ok, c.want)
		}
	}
	for _, c := range []string{"latest", ""} {
		if got, ok := Branch("name", c, 1); ok {
			t.Errorf("%q has the branch %q", c, got)
		}
	}
	if _, ok := Branch("name", "1.0", 0); ok {
		t.Error("a branch of no numbers")
	}
}

func TestComparable(t *testing.T) {
	if !Comparable("pe", "msi") || !Comparable("deb", "deb") || Comparable("deb", "rpm") || Comparable("name", "npm") {
		t.Error("which systems are of one kind")
	}
}

// FuzzFind demands that what is found is a version by the rules of names, and that versions that are equal are of one branch.
func FuzzFind(f *testing.F) {
	for _, s := range []string{"app-1.2.3-rc.1.tar.gz", "a1.2b3", "1.2.3.4.5", "v1.0+x", "1.2-1.2"} {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		from, to, ok := Find(s)
		if !ok {
			return
		}
		found := s[from:to]
		if _, ok := Of("name")(found, found); !ok {
			t.Fatalf("%q in %q is no version", found, s)
		}
		a, ok := Branch("name", found, n)
		b, fine := Branch("name", "v"+found+"+build", n)
		if ok != (n > 0 && n <= 16) || ok != fine || a != b {
			t.Fatalf("branch of %q: %q (%v) and %q (%v)", found, a, ok, b, fine)
		}
	})
}

// FuzzLooseOrder demands that the order is transitive.
func FuzzLooseOrder(f *testing.F) {
	f.Add("1.0a1", "1.0", "1.0a")
	f.Add("1.0rc", "1.0.0", "1.0-x1")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, ok := compareLoose(a, b)
		bc, fine := compareLoose(b, c)
		ac, good := compareLoose(a, c)
		if ok && fine && good && ab <= 0 && bc <= 0 && ac > 0 {
			t.Fatalf("%q %q %q: %d %d %d", a, b, c, ab, bc, ac)
		}
	})
}
