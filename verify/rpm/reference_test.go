package rpm

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

// need skips a test whose tools are not installed.
func need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: the comparison with rpm itself is left out", tool)
		}
	}
}

// rpmdb is rpm with a database of its own, that trusts certain keys.
type rpmdb struct {
	t       testing.TB
	dir     string
	refused bool // it cannot use a key
}

func newRPMDB(t testing.TB, keys ...[]byte) *rpmdb {
	t.Helper()
	need(t, "rpmkeys")
	db := &rpmdb{t: t, dir: t.TempDir()}
	for i, k := range keys {
		file := filepath.Join(db.dir, fmt.Sprintf("key%d.asc", i))
		if err := os.WriteFile(file, k, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("rpmkeys", "--dbpath", db.dir, "--import", file).CombinedOutput(); err != nil {
			t.Logf("rpmkeys --import: %v\n%s", err, out)
			db.refused = true
		}
	}
	return db
}

// accepts says what rpm thinks of a package where everything has to be verified.
func (db *rpmdb) accepts(data []byte) (bool, string) {
	db.t.Helper()
	file := filepath.Join(db.dir, "x.rpm")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		db.t.Fatal(err)
	}
	cmd := exec.Command("rpmkeys", "--dbpath", db.dir, "--define", "_pkgverify_level all", "-Kv", file)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

func weAccept(fs []verify.Finding) bool {
	valid := false
	for _, f := range fs {
		if f.Status == verify.Invalid {
			return false
		}
		valid = valid || f.Status == verify.Valid && len(f.Anchors) > 0
	}
	return valid
}

// TestRpmAcceptsWhatWeMake holds the packages of these tests, and changed ones, against rpm.
func TestRpmAcceptsWhatWeMake(t *testing.T) {
	rsa, ed := newRSAKey(t, "RSA"), newKey(t, "Ed", 0)
	db := newRPMDB(t, public(t, rsa), public(t, ed))
	env := trusting(t, rsa, ed)
	good := build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{rsa}, Compressor: "gzip"})
	changed := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 4
		return b
	}
	for _, c := range []struct {
		name     string
		data     []byte
		stricter bool // we refuse what rpm accepts
	}{
		{"version 4, RSA", good, false},
		{"version 3, RSA", build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{rsa}, V3: true, Compressor: "xz"}), false},
		{"Ed25519", build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{ed}, Epoch: 3}), false},
		{"header and payload", build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{rsa}, AllBy: rsa, NoPayloadDigest: true}), false},
		{"format 3", build(t, rpmtest.Package{Format: 3, AllBy: rsa, V3: true, NoPayloadDigest: true}), false},
		{"unsigned", build(t, rpmtest.Package{}), false},
		{"stranger", build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{newRSAKey(t, "Other")}}), false},
		{"changed at the end", changed(len(good) - 9), false},
		{"changed header", changed(len(good) - 500), false},
		{"appended", append(bytes.Clone(good), 0), false},
		{"cut", good[:len(good)-1], false},
		{"payload by MD5 only", build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{rsa}, NoPayloadDigest: true}), true},
		{"SHA-1", build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{rsa}, V3: true, Hash: 3}), true},
	} {
		theirs, out := db.accepts(c.data)
		fs := examine(t, c.data, env)
		if ours := weAccept(fs); ours != (theirs && !c.stricter) {
			t.Errorf("%s: ours %v, rpm's %v\n%+v\n%s", c.name, ours, theirs, fs, out)
		}
		if c.stricter && !theirs {
			t.Logf("%s: rpm refuses it too\n%s", c.name, out)
		}
	}
}

// TestWeAcceptWhatRpmMakes has rpmbuild and rpmsign make packages.
func TestWeAcceptWhatRpmMakes(t *testing.T) {
	need(t, "rpmbuild", "rpmsign", "gpg")
	dir := t.TempDir()
	home := filepath.Join(dir, "g")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home, "LC_ALL=C")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, errs.String())
		}
		return out
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	spec := "Name: made\nVersion: 2.5\nRelease: 1\nEpoch: 1\nSummary: made\nLicense: MIT\nBuildArch: noarch\n%description\nmade\n" +
		"%install\nmkdir -p %{buildroot}/opt/made\nseq 20000 > %{buildroot}/opt/made/numbers\n%post\n:\n%files\n/opt/made\n"
	if err := os.WriteFile(filepath.Join(dir, "made.spec"), []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	run("rpmbuild", "-bb", "--define", "_topdir "+dir+"/top", "--define", "debug_package %{nil}", filepath.Join(dir, "made.spec"))
	unsigned, err := os.ReadFile(filepath.Join(dir, "top/RPMS/noarch/made-2.5-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"rsa3072", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", kind+"@example.org", kind, "sign", "0")
			key := run("gpg", "--armor", "--export", kind+"@example.org")
			file := filepath.Join(dir, kind+".rpm")
			if err := os.WriteFile(file, unsigned, 0o600); err != nil {
				t.Fatal(err)
			}
			run("rpmsign", "--define", "_gpg_name "+kind+"@example.org", "--define",
				"__gpg_sign_cmd /usr/bin/gpg gpg --batch --no-armor -u %{_gpg_name} -sbo %{__signature_filename} --digest-algo sha256 %{__plaintext_filename}",
				"--addsign", file)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			env := verify.Env{At: time.Now().Add(time.Minute), Trust: verify.Trust{Keyrings: []verify.Keyring{{Anchor: "made", Data: key}}}}
			fs := examine(t, data, env)
			if len(fs) != 1 || fs[0].Code != "rpm/valid" || !strings.Contains(fs[0].Detail, "made-1:2.5-1.noarch") {
				t.Errorf("%+v", fs)
			}
			db := newRPMDB(t, key)
			for at := 100; at < len(data); at += len(data)/7 + 1 {
				changed := bytes.Clone(data)
				changed[at] ^= 8
				theirs, out := db.accepts(changed)
				if ours := weAccept(examine(t, changed, env)); ours && !theirs {
					t.Errorf("byte %d: we accept what rpm refuses\n%s", at, out)
				}
			}
		})
	}
}

// TestRealPackages holds samples that others signed against what rpm says of them, with the keys that belong to them.
func TestRealPackages(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: packages that others signed are left out")
	}
	keys := func(names ...string) (out [][]byte) {
		for _, n := range names {
			if b, err := os.ReadFile(filepath.Join(dir, "rpm", n)); err == nil {
				out = append(out, b)
			}
		}
		return out
	}
	found := 0
	for _, c := range []struct {
		file string
		keys [][]byte
		want string // first code
	}{
		{"centos/centos-release-as-2.1AS-4.noarch.rpm", keys("centos/RPM-GPG-KEY-CentOS-2"), "rpm/weak-signature"},
		{"centos/centos-release-4-0.1.i386.rpm", keys("centos/RPM-GPG-KEY-CentOS-4"), "rpm/weak-signature"},
		{"centos/centos-release-5-0.0.el5.centos.2.x86_64.rpm", keys("centos/RPM-GPG-KEY-CentOS-5"), "rpm/weak-signature"},
		{"centos/epel-release-7-5.noarch.rpm", keys("centos/RPM-GPG-KEY-CentOS-7"), "rpm/valid"},
		{"fedora/zlib-1.2.8-10.fc24.i686.rpm", keys("fedora/RPM-GPG-KEY-fedora-25-i386"), "rpm/valid"},
		{"repo-apialerts/packages/apialerts_1.2.3_linux_amd64.rpm", keys("repo-apialerts/key.gpg"), "rpm/valid"},
		{"repo-apialerts/packages/apialerts_1.2.3_linux_arm64.rpm", keys("repo-apialerts/key.gpg"), "rpm/valid"},
		{"upstream-tests/hello-1.0-1.i386.rpm", nil, "rpm/unsigned"},
		{"upstream-tests/hello-1.0-1.ppc64.rpm", nil, "rpm/unsigned"},
		{"upstream-tests/hello-1.0-1.x86_64.rpm-v3", nil, "rpm/unsigned"},
		{"upstream-tests/hello-2.0-1.x86_64.rpm", nil, "rpm/unsigned"},
		{"upstream-tests/hello-2.0-1.x86_64-corrupted.rpm", keys("upstream-tests/keys/rpm.org-rsa-2048-test.pub"), "rpm/digest-mismatch"},
		{"upstream-tests/hello-2.0-1.x86_64-signed.rpm", keys("upstream-tests/keys/rpm.org-rsa-2048-test.pub"), "rpm/valid"},
		{"upstream-tests/hello-2.0-1.x86_64-v3-signed.rpm", keys("upstream-tests/keys/rpm.org-rsa-2048-test.pub"), "rpm/valid"},
		{"upstream-tests/hello-2.0-1.x86_64-signed-mldsa87.rpm", keys("upstream-tests/keys/rpm.org-rsa-2048-test.pub"), "rpm/valid"},
		{"upstream-tests/hello-2.0-1.x86_64-signed-with-subkey.rpm", keys("upstream-tests/keys/alice.asc"), "rpm/valid"},
		{"upstream-tests/hello-2.0-1.x86_64-signed-with-subkey.rpm", keys("upstream-tests/keys/rpm.org-rsa-2048-test.pub"), "rpm/unknown-key"},
		{"upstream-tests/hello-2.0-1.x86_64-signed-with-new-subkey.rpm", keys("upstream-tests/keys/rpm.org-rsa-2048-add-subkey.asc"), "rpm/valid"},
		{"upstream-tests/hello-2.0-1.x86_64-signed-with-subkey.rpm", keys("upstream-tests/keys/alice-revoked-subkey.asc"), "rpm/unusable-key"},
		{"upstream-tests/hello-2.0-1.x86_64-signed-with-subkey.rpm", keys("upstream-tests/keys/alice-expired-subkey.asc"), "rpm/unusable-key"},
		// Keys with subkeys that somebody else added: the primary key made this signature, and rpm imports none of them.
		{"upstream-tests/hello-2.0-1.x86_64-signed.rpm", keys("upstream-tests/keys/CVE-2021-3521-badbind.asc"), "rpm/valid"},
		{"upstream-tests/hello-2.0-1.x86_64-signed.rpm", keys("upstream-tests/keys/CVE-2021-3521-nosubsig.asc"), "rpm/valid"},
		{"upstream-tests/hello-2.0-1.x86_64-signed.rpm", keys("upstream-tests/keys/type-confusion.asc"), "rpm/valid"},
		{"centos/centos-release-6-0.el6.centos.5.x86_64.rpm", keys("centos/RPM-GPG-KEY-CentOS-6"), "rpm/valid"},
		{"centos/centos-release-7-2.1511.el7.centos.2.10.x86_64.rpm", keys("centos/RPM-GPG-KEY-CentOS-7"), "rpm/valid"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, "rpm", c.file))
		if err != nil {
			continue
		}
		found++
		env := verify.Env{At: now}
		for i, k := range c.keys {
			env.Trust.Keyrings = append(env.Trust.Keyrings, verify.Keyring{Anchor: fmt.Sprint("key", i), Data: k})
		}
		fs := examine(t, data, env)
		db := newRPMDB(t, c.keys...)
		theirs, out := db.accepts(data)
		t.Logf("%s: rpm %v, ours %s %s\n%s", c.file, theirs, fs[0].Status, fs[0].Code, out)
		if fs[0].Code != c.want {
			t.Errorf("%s: %+v, want %s", c.file, fs, c.want)
		}
		// rpm's own parser, of before 6.0, takes no key of which it does not understand every subkey.
		if ours := weAccept(fs); ours && !theirs && !db.refused {
			t.Errorf("%s: we accept what rpm refuses: %+v\n%s", c.file, fs, out)
		}
	}
	if found == 0 {
		t.Skipf("%s holds no rpm packages: those that others signed are left out", dir)
	}
}
