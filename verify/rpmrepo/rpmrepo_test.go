package rpmrepo

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

// What a client does: the repomd.xml, its signature, the list of packages, a package.
func TestClientsWay(t *testing.T) {
	for _, ending := range []string{".gz", ".xz", ".zst", ".xml"} {
		for _, checksum := range []string{"sha256", "sha512"} {
			w := newWorld(t)
			w.publish(func(m *rpmtest.Metadata) { m.Ending, m.Checksum = ending, checksum })
			w.want(repomd, w.get(repomd), verify.Valid, "rpm-repo/valid")
			w.want(repomdSig, w.get(repomdSig), verify.Valid, "rpm-repo/valid")
			w.want("primary", w.get(w.primary()), verify.Valid, "rpm-repo/valid")
			w.want(hello, w.get(hello), verify.Valid, "rpm-repo/listed")
		}
	}
}

// Nothing of the repository was seen before the package.
func TestPackageAlone(t *testing.T) {
	w := newWorld(t)
	w.publish()
	got := w.get(hello)
	w.want(hello, got, verify.Valid, "rpm-repo/listed")
	if len(got.Evidence) != 2 || !strings.Contains(got.Detail, "primary.xml.gz") {
		t.Errorf("%+v", got)
	}
	if w.repo.Requests(root+"/Packages/h/repodata/repomd.xml") != 1 {
		t.Error("the nearest directory was not asked first")
	}
	w.want("again", w.get(hello), verify.Valid, "rpm-repo/listed")
	if n := w.repo.Requests(root + "/" + w.primary()); n != 1 {
		t.Errorf("the index was fetched %d times", n)
	}
}

func TestFindings(t *testing.T) {
	evil := pkg(t, "6.66")
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
		return b
	}
	for _, c := range []struct {
		name    string
		publish func(*world, *rpmtest.Metadata)
		get     func(*world) verify.Finding
		status  verify.Status
		code    string
	}{
		{"changed package", nil, func(w *world) verify.Finding { return w.offer(hello, evil) }, verify.Invalid, "rpm-repo/digest-mismatch"},
		{"package that is not listed", nil, func(w *world) verify.Finding { return w.offer("Packages/e/evil-1-1.noarch.rpm", evil) }, verify.Untrusted, "rpm-repo/not-listed"},
		{"listed with SHA-1", func(_ *world, m *rpmtest.Metadata) { m.Checksum = "sha" }, func(w *world) verify.Finding { return w.get(hello) }, verify.Inconclusive, "rpm-repo/unavailable"},
		{"unsigned", func(_ *world, m *rpmtest.Metadata) { m.Signers = nil }, func(w *world) verify.Finding { return w.get(hello) }, verify.Absent, "rpm-repo/unsigned"},
		{"unsigned repomd.xml", func(_ *world, m *rpmtest.Metadata) { m.Signers = nil }, func(w *world) verify.Finding { return w.get(repomd) }, verify.Absent, "rpm-repo/unsigned"},
		{"stranger", func(w *world, m *rpmtest.Metadata) { m.Signers = []*rpmtest.Key{newKey(w.t, "Other")} }, func(w *world) verify.Finding { return w.get(repomd) }, verify.Untrusted, "rpm-repo/unknown-key"},
		{"stranger's package", func(w *world, m *rpmtest.Metadata) { m.Signers = []*rpmtest.Key{newKey(w.t, "Other")} }, func(w *world) verify.Finding { return w.get(hello) }, verify.Untrusted, "rpm-repo/unknown-key"},
		{"two signers, one known", func(w *world, m *rpmtest.Metadata) { m.Signers = []*rpmtest.Key{newKey(w.t, "Other"), w.key} }, func(w *world) verify.Finding { return w.get(hello) }, verify.Valid, "rpm-repo/listed"},
		{"changed repomd.xml", nil, func(w *world) verify.Finding {
			return w.offer(repomd, bytes.Replace(w.repo.Get(repomd), []byte("<open-size>"), []byte("<open-size >"), 1))
		}, verify.Invalid, "rpm-repo/bad-signature"},
		{"no signature in the file", nil, func(w *world) verify.Finding { return w.offer(repomdSig, []byte("hello\n")) }, verify.Invalid, "rpm-repo/malformed"},
		{"signed nonsense", nil, func(w *world) verify.Finding {
			doc := []byte("<repomd><data type='x'></repomd>")
			sig, err := w.key.Sign(doc, now, 5)
			if err != nil {
				w.t.Fatal(err)
			}
			w.repo.Set(repomdSig, sig)
			return w.offer(repomd, doc)
		}, verify.Invalid, "rpm-repo/malformed"},
		{"future", func(_ *world, m *rpmtest.Metadata) { m.Date, m.SignedAt = now.Add(26*time.Hour), now }, func(w *world) verify.Finding { return w.get(repomd) }, verify.Inconclusive, "rpm-repo/future"},
		{"a moment ahead", func(_ *world, m *rpmtest.Metadata) { m.Date = now.Add(10 * time.Minute) }, func(w *world) verify.Finding { return w.get(repomd) }, verify.Valid, "rpm-repo/valid"},
		{"revision is no moment", func(_ *world, m *rpmtest.Metadata) { m.Revision = "7.2-beta" }, func(w *world) verify.Finding { return w.get(repomd) }, verify.Valid, "rpm-repo/valid"},
		{"changed index", nil, func(w *world) verify.Finding { return w.offer(w.primary(), flip(w.repo.Get(w.primary()))) }, verify.Invalid, "rpm-repo/digest-mismatch"},
		{"index that is not listed", nil, func(w *world) verify.Finding { return w.offer("repodata/other.xml.gz", []byte("\x1f\x8b\x08")) }, verify.Untrusted, "rpm-repo/not-listed"},
		{"repository cannot be reached", nil, func(w *world) verify.Finding {
			body := w.repo.Get(hello)
			w.fail = errors.New("no route")
			return w.offer(hello, body)
		}, verify.Inconclusive, "rpm-repo/unavailable"},
		{"no repository at all", nil, func(w *world) verify.Finding {
			for _, name := range w.repo.Names() {
				w.repo.Set(name, nil)
			}
			return w.offer(hello, evil)
		}, verify.Absent, "rpm-repo/unsigned"},
		{"index on the mirror is another", nil, func(w *world) verify.Finding {
			w.repo.Set(w.primary(), []byte("\x1f\x8b\x08"))
			return w.get(hello)
		}, verify.Inconclusive, "rpm-repo/unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.publish(func(m *rpmtest.Metadata) {
				if c.publish != nil {
					c.publish(w, m)
				}
			})
			w.want(c.name, c.get(w), c.status, c.code)
		})
	}
}

func TestRollback(t *testing.T) {
	w := newWorld(t)
	w.publish(func(m *rpmtest.Metadata) { m.Date = now.Add(-72 * time.Hour) })
	old, oldSig := w.repo.Get(repomd), w.repo.Get(repomdSig)
	w.want("first", w.get(repomd), verify.Valid, "rpm-repo/valid")
	w.publish(func(m *rpmtest.Metadata) {
		m.Packages = map[string][]byte{"Packages/h/hello-1.1-1.noarch.rpm": pkg(t, "1.1")}
	})
	w.want("second", w.get(repomd), verify.Valid, "rpm-repo/valid")
	w.repo.Set(repomd, old)
	w.repo.Set(repomdSig, oldSig)
	w.want("replayed", w.get(repomd), verify.Invalid, "rpm-repo/rollback")
	w.v = New() // after a restart, with the same memory
	w.want("replayed", w.get(repomd), verify.Invalid, "rpm-repo/rollback")
	w.want("what only the old one lists", w.get(hello), verify.Untrusted, "rpm-repo/not-listed")
	w.env.Trust.Keyrings[0].Lag = 96 * time.Hour
	w.want("within the tolerance", w.get(repomd), verify.Valid, "rpm-repo/valid")
}

// The spelling of a host does not choose what is remembered of it.
func TestHostHasOneName(t *testing.T) {
	for origin, want := range map[string]string{
		"https://mirror.example.com":      "mirror.example.com",
		"https://mirror.example.com:443":  "mirror.example.com",
		"https://mirror.example.com.:443": "mirror.example.com",
		"https://mirror.example.com.":     "mirror.example.com",
		"https://mirror.example.com:":     "mirror.example.com",
		"http://mirror.example.com:80":    "mirror.example.com",
		"http://mirror.example.com:443":   "mirror.example.com:443",
		"https://mirror.example.com:8443": "mirror.example.com:8443",
		"https://[2001:db8::443]":         "[2001:db8::443]",
		"https://[2001:db8::1]:443":       "[2001:db8::1]",
	} {
		if got := (repository{origin: origin, path: "/r/"}).host(); got != want {
			t.Errorf("%s is %s, want %s", origin, got, want)
		}
	}
}

// A repository that was replaced while a client was at it: what it fetched just before still counts.
func TestReplacedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.publish(func(m *rpmtest.Metadata) { m.Date = now.Add(-2 * time.Hour) })
	primary := w.primary()
	body := w.repo.Get(primary)
	w.want(repomd, w.get(repomd), verify.Valid, "rpm-repo/valid")
	w.want(hello, w.get(hello), verify.Valid, "rpm-repo/listed")
	w.publish(func(m *rpmtest.Metadata) {
		m.Packages = map[string][]byte{"Packages/h/hello-1.1-1.noarch.rpm": pkg(t, "1.1")}
	})
	w.v.documents.Put(repository{"https://mirror.example.com", root + "/"}, fetchedDocument{}, 1) // no longer fresh
	w.want("the new package", w.get("Packages/h/hello-1.1-1.noarch.rpm"), verify.Valid, "rpm-repo/listed")
	w.want("the old index", w.offer(primary, body), verify.Valid, "rpm-repo/valid")
}

// A repository may list what lies outside of its root; it is found where the repository is known.
func TestPackageOutsideOfTheRoot(t *testing.T) {
	w := newWorld(t)
	name := "../../pool/hello.rpm"
	w.publish(func(m *rpmtest.Metadata) { m.Packages = map[string][]byte{name: pkg(t, "1.0")} })
	w.want(repomd, w.get(repomd), verify.Valid, "rpm-repo/valid")
	w.want(name, w.get(name), verify.Valid, "rpm-repo/listed")
}

func TestIsMetadata(t *testing.T) {
	for _, c := range []struct {
		url    string
		format verify.Format
		want   bool
	}{
		{"https://example.com/r/repodata/repomd.xml", "", true},
		{"https://example.com/repodata/0a-primary.xml.zst", "zstd", true},
		{"https://example.com/repodata/0a-primary.xml.zck", "", true},
		{"https://example.com/repodata/primary.sqlite.bz2", "bzip2", true},
		{"https://example.com/repodata/setup.exe", "pe", false},
		{"https://example.com/repodata/x.rpm", "rpm", false},
		{"https://example.com/repodata/repomd.xml.key", "", false},
		{"https://example.com/repodata/a/b.xml", "", false},
		{"https://example.com/repodata/../x/repodata/a.xml", "", false},
		{"ftp://example.com/repodata/repomd.xml", "", false},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := New().IsMetadata(&verify.Artifact{URL: u, Format: c.format}); got != c.want {
			t.Errorf("%s (%s): %v, want %v", c.url, c.format, got, c.want)
		}
	}
}

func TestNobodyTrustedAndNoURL(t *testing.T) {
	a := &verify.Artifact{Format: "rpm"}
	for code, env := range map[string]verify.Env{"rpm-repo/no-anchor": {}, "rpm-repo/no-url": newWorld(t).env} {
		fs, err := New().Verify(context.Background(), a, env)
		if err != nil || len(fs) != 1 || fs[0].Code != code || fs[0].Status != verify.Absent {
			t.Errorf("%+v, %v, want %s", fs, err, code)
		}
	}
}

// What two anchors vouch for together ends with the first of them.
func TestMergedEnds(t *testing.T) {
	soon, late := now.Add(time.Hour), now.Add(48*time.Hour)
	for _, c := range [][3]time.Time{{late, soon, soon}, {soon, late, soon}, {{}, soon, soon}, {soon, {}, soon}} {
		list := merge(nil, &voucher{meta: &metadata{}, anchors: []string{"a"}, ends: c[0]})
		list = merge(list, &voucher{meta: &metadata{}, anchors: []string{"b"}, ends: c[1]})
		if len(list) != 1 || len(list[0].anchors) != 2 || !list[0].ends.Equal(c[2]) {
			t.Errorf("%v and %v: %+v", c[0], c[1], list[0])
		}
	}
}
