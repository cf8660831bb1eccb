package apt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
)

func TestReleaseFiles(t *testing.T) {
	stranger := newKey(t, "Stranger")
	tests := []struct {
		name   string
		change func(w *world, s *apttest.Suite)
		after  func(w *world)
		file   string // InRelease if empty
		status verify.Status
		code   string
	}{
		{"good InRelease", nil, nil, "", verify.Valid, "valid"},
		{"two signatures, one known", func(w *world, s *apttest.Suite) { s.Signers = []*apttest.Key{stranger, w.key} }, nil, "", verify.Valid, "valid"},
		{"stranger", func(_ *world, s *apttest.Suite) { s.Signers = []*apttest.Key{stranger} }, nil, "", verify.Untrusted, "unknown-key"},
		{"text before the message", nil, func(w *world) { w.archive.Set(inRel, append([]byte("Origin: Evil\n"), w.archive.Get(inRel)...)) }, "", verify.Absent, "unsigned"},
		{"text after the message", nil, func(w *world) { w.archive.Set(inRel, append(w.archive.Get(inRel), "Origin: Evil\n"...)) }, "", verify.Invalid, "malformed"},
		{"two messages", nil, func(w *world) { w.archive.Set(inRel, append(w.archive.Get(inRel), w.archive.Get(inRel)...)) }, "", verify.Invalid, "malformed"},
		{"changed text", nil, func(w *world) {
			w.archive.Set(inRel, []byte(strings.Replace(string(w.archive.Get(inRel)), "Codename: bookworm", "Codename: bookworn", 1)))
		}, "", verify.Invalid, "bad-signature"},
		{"expired", func(_ *world, s *apttest.Suite) { s.ValidUntil = now.Add(-time.Minute) }, nil, "", verify.Invalid, "expired"},
		{"future", func(_ *world, s *apttest.Suite) { s.Date, s.SignedAt = now.Add(2*time.Hour), now }, nil, "", verify.Inconclusive, "future"},
		{"a little ahead of our clock", func(_ *world, s *apttest.Suite) { s.Date, s.SignedAt = now.Add(time.Minute), now }, nil, "", verify.Valid, "valid"},
		{"signature from the future", func(_ *world, s *apttest.Suite) { s.SignedAt = now.Add(2 * time.Hour) }, nil, "", verify.Inconclusive, "future"},
		{"signed a little ahead of our clock", func(_ *world, s *apttest.Suite) { s.SignedAt = now.Add(time.Minute) }, nil, "", verify.Valid, "valid"},
		{"two fields of one name", func(_ *world, s *apttest.Suite) { s.Origin = "Debian\nOrigin: Evil" }, nil, "", verify.Invalid, "malformed"},
		{"Release with Release.gpg", func(_ *world, s *apttest.Suite) { s.Detached = true }, nil, "dists/bookworm/Release", verify.Valid, "valid"},
		{"Release.gpg", func(_ *world, s *apttest.Suite) { s.Detached = true }, nil, "dists/bookworm/Release.gpg", verify.Valid, "valid"},
		{"Release.gpg of another Release", func(_ *world, s *apttest.Suite) { s.Detached = true }, func(w *world) { w.archive.Flip("dists/bookworm/Release") },
			"dists/bookworm/Release", verify.Invalid, "bad-signature"},
		{"Release alone", func(_ *world, s *apttest.Suite) { s.Signers = nil }, nil, "dists/bookworm/Release", verify.Absent, "unsigned"},
		{"Release beside an InRelease", nil, func(w *world) {
			text, _, _ := strings.Cut(string(w.archive.Get(inRel)), "-----BEGIN PGP SIGNATURE")
			_, text, _ = strings.Cut(text, "\n\n")
			w.archive.Set("dists/bookworm/Release", []byte(text))
		}, "dists/bookworm/Release", verify.Valid, "valid"},
		{"Release other than the InRelease beside it", nil, func(w *world) { w.archive.Set("dists/bookworm/Release", []byte("Origin: Evil\n")) },
			"dists/bookworm/Release", verify.Invalid, "mixed"},
		{"Release whose signature cannot be had", func(_ *world, s *apttest.Suite) { s.Detached = true }, func(w *world) {
			w.broken = func(string) error { return errors.New("reset") }
		}, "dists/bookworm/Release", verify.Inconclusive, "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.bookworm()
			if tt.change != nil {
				tt.change(w, &s)
			}
			w.publish(s)
			if tt.after != nil {
				tt.after(w)
			}
			if tt.file == "" {
				tt.file = inRel
			}
			w.want(w.get(tt.file), tt.status, tt.code)
			if tt.status != verify.Valid && len(w.memory.values) != 0 {
				t.Error("something was learnt from it")
			}
		})
	}
}

func TestReplayedReleaseIsARollback(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Date = now.Add(-72 * time.Hour) }))
	old := w.archive.Get(inRel)
	w.want(w.get(inRel), verify.Valid, "valid")
	w.publish(w.bookworm())
	w.want(w.get(inRel), verify.Valid, "valid")

	w.want(w.verify(artifact(root+inRel, old)), verify.Invalid, "rollback")
	w.want(w.verify(artifact("http://mirror.example.net/debian/"+inRel, old)), verify.Invalid, "rollback")
	w.want(w.verify(artifact("https://deb.example.org/debian/"+inRel, old)), verify.Invalid, "rollback")
	w.want(w.verify(artifact("https://deb.example.org/debian/dists/oldstable/InRelease", old)), verify.Invalid, "rollback")

	w.env.Trust.Keyrings[0].Lag = 73 * time.Hour
	w.want(w.verify(artifact(root+inRel, old)), verify.Valid, "valid")
}

func TestLaggingMirrorIsTolerated(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Date = now.Add(-20 * time.Hour); s.Compressions = []string{".xz"} }))
	old, oldIndex := w.archive.Get(inRel), w.archive.Get(packages+".xz")
	w.want(w.get(inRel), verify.Valid, "valid")
	w.publish(w.bookworm(func(s *apttest.Suite) {
		s.Packages, s.Compressions = []apttest.Package{deb(t, "hello", "3", "amd64")}, []string{".xz"}
	}))
	w.want(w.get(inRel), verify.Valid, "valid")
	w.want(w.verify(artifact(root+inRel, old)), verify.Valid, "valid")
	// The client that holds the older InRelease goes on with it.
	w.want(w.verify(artifact(root+packages+".xz", oldIndex)), verify.Valid, "valid")
	w.want(w.get(hello), verify.Valid, "valid")
	// What the newest says stays the measure.
	w.env.At = now.Add(time.Hour)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Date = now.Add(5 * time.Hour); s.SignedAt = now }))
	w.env.At = now.Add(6 * time.Hour)
	w.want(w.get(inRel), verify.Valid, "valid")
	w.want(w.verify(artifact(root+inRel, old)), verify.Invalid, "rollback")
}

func TestClockSetBackDoesNotOpenTheDoor(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Date = now.Add(-72 * time.Hour) }))
	old := w.archive.Get(inRel)
	w.publish(w.bookworm())
	w.want(w.get(inRel), verify.Valid, "valid")
	w.env.At = now.Add(-71 * time.Hour)
	w.want(w.verify(artifact(root+inRel, old)), verify.Invalid, "rollback")
	w.v = New()
	w.env.At = now.Add(-48 * time.Hour)
	w.want(w.get(inRel), verify.Inconclusive, "future")
	w.env.At = time.Time{}
	if f := w.get(inRel); f.Status == verify.Valid {
		t.Errorf("valid at the zero time: %s", f.Detail)
	}
}

func TestSuiteAndPathMustAgree(t *testing.T) {
	tests := []struct {
		path, suite, codename string
		ok                    bool
	}{
		{"bookworm", "oldstable", "bookworm", true},
		{"oldstable", "oldstable", "bookworm", true},
		{"stable-security", "stable-security", "trixie-security", true},
		{"trixie-security", "stable-security", "trixie-security", true},
		{"buster/updates", "oldstable", "buster", true},
		{"stable-proposed-updates", "proposed-updates", "trixie-proposed-updates", true},
		{"experimental", "experimental", "rc-buggy", true},
		{"noble", "noble", "noble", true},
		{"noble-updates", "noble-updates", "noble", true},
		{"bookworm/mongodb-org/8.0", "bookworm", "", true},
		{"nodistro", "nodistro", "", true},
		{"anything", "", "", true},
		{"noble", "noble-proposed", "noble", false},
		{"noble-security", "noble", "noble", false},
		{"bookworm", "stable", "trixie", false},
		{"stable", "oldstable", "bookworm", false},
		{"bookworm-security", "oldstable", "bookworm", false},
		{"stable", "testing", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.path+" "+tt.suite+" "+tt.codename, func(t *testing.T) {
			w := newWorld(t)
			w.publish(w.bookworm(func(s *apttest.Suite) { s.Path, s.Suite, s.Codename = tt.path, tt.suite, tt.codename }))
			f := w.get("dists/" + tt.path + "/InRelease")
			if tt.ok {
				w.want(f, verify.Valid, "valid")
			} else {
				w.want(f, verify.Invalid, "wrong-suite")
			}
		})
	}
}

func TestSuiteThatChangesWhoItIs(t *testing.T) {
	tests := []struct {
		name   string
		path   string
		change func(*apttest.Suite)
		ok     bool
	}{
		{"another origin", "bookworm", func(s *apttest.Suite) { s.Origin = "Elsewhere" }, false},
		{"another label", "bookworm", func(s *apttest.Suite) { s.Label = "Debian-Security" }, false},
		{"stable becomes oldstable", "bookworm", func(s *apttest.Suite) { s.Suite = "oldoldstable" }, true},
		{"oldstable becomes another release", "oldstable", func(s *apttest.Suite) { s.Codename = "trixie" }, true},
		{"another flat repository", "", func(s *apttest.Suite) { s.Suite = "other" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			place := func(s *apttest.Suite) { s.Path = tt.path }
			name := "InRelease"
			if tt.path != "" {
				name = "dists/" + tt.path + "/InRelease"
			}
			w.publish(w.bookworm(place, func(s *apttest.Suite) { s.Date = now.Add(-3 * time.Hour) }))
			w.want(w.get(name), verify.Valid, "valid")
			w.publish(w.bookworm(place, tt.change))
			if tt.ok {
				w.want(w.get(name), verify.Valid, "valid")
			} else {
				w.want(w.get(name), verify.Invalid, "wrong-suite")
			}
		})
	}
}

func TestArchivesThatSayTheSameOfThemselvesAreKeptApart(t *testing.T) {
	w := newWorld(t)
	vendor := func(s *apttest.Suite) {
		s.Origin, s.Label, s.Suite, s.Codename, s.Path = "Acme", "Acme", "stable", "stable", "stable"
	}
	w.publish(w.bookworm(vendor))
	w.want(w.verify(artifact("https://dl.example.com/browser/deb/dists/stable/InRelease", w.archive.Get("dists/stable/InRelease"))), verify.Valid, "valid")
	w.publish(w.bookworm(vendor, func(s *apttest.Suite) { s.Date = now.AddDate(0, -6, 0) }))
	w.want(w.verify(artifact("https://dl.example.com/globe/deb/dists/stable/InRelease", w.archive.Get("dists/stable/InRelease"))), verify.Valid, "valid")
}

func TestIndexes(t *testing.T) {
	const contents = "dists/bookworm/main/Contents-amd64"
	extra := func(s *apttest.Suite) {
		s.Extra = map[string][]byte{"main/Contents-amd64": []byte("usr/bin/hello hello\n")}
	}
	byHash := func(w *world) string {
		return fmt.Sprintf("dists/bookworm/main/binary-amd64/by-hash/SHA256/%x", sha256.Sum256(w.archive.Get(packages+".gz")))
	}
	tests := []struct {
		name   string
		file   func(w *world) string
		after  func(w *world, body []byte) []byte
		status verify.Status
		code   string
	}{
		{"Packages", func(*world) string { return packages }, nil, verify.Valid, "valid"},
		{"Packages.gz", func(*world) string { return packages + ".gz" }, nil, verify.Valid, "valid"},
		{"Contents", func(*world) string { return contents }, nil, verify.Valid, "valid"},
		{"by-hash", byHash, nil, verify.Valid, "valid"},
		{"flipped bit", func(*world) string { return packages + ".gz" }, flip, verify.Invalid, "digest-mismatch"},
		{"flipped bit by-hash", byHash, flip, verify.Invalid, "digest-mismatch"},
		{"unlisted name", func(w *world) string {
			w.archive.Set("dists/bookworm/main/binary-s390x/Packages", []byte("x: y\n"))
			return "dists/bookworm/main/binary-s390x/Packages"
		}, nil, verify.Untrusted, "not-listed"},
		{"a listed file under another name", func(w *world) string {
			w.archive.Set(packages, w.archive.Get(contents))
			return packages
		}, nil, verify.Invalid, "digest-mismatch"},
		{"by-hash of nothing listed", func(w *world) string {
			body := []byte("x: y\n")
			name := fmt.Sprintf("dists/bookworm/main/binary-amd64/by-hash/SHA256/%x", sha256.Sum256(body))
			w.archive.Set(name, body)
			return name
		}, nil, verify.Untrusted, "mixed"},
		{"by-hash under another algorithm", func(w *world) string {
			name := "dists/bookworm/main/binary-amd64/by-hash/SHA512/" + strings.Repeat("ab", 64)
			w.archive.Set(name, w.archive.Get(packages))
			return name
		}, nil, verify.Valid, "valid"},
	}
	for _, seen := range []bool{true, false} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, InRelease seen %v", tt.name, seen), func(t *testing.T) {
				w := newWorld(t)
				w.publish(w.bookworm(extra))
				if seen {
					w.want(w.get(inRel), verify.Valid, "valid")
				}
				name := tt.file(w)
				body := w.archive.Get(name)
				if tt.after != nil {
					body = tt.after(w, body)
				}
				w.want(w.verify(artifact(root+name, body)), tt.status, tt.code)
			})
		}
	}
}

func flip(_ *world, body []byte) []byte {
	out := []byte(string(body))
	out[len(out)/2] ^= 1
	return out
}

func TestIndexOfAReleaseThatMayNotVouch(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.ValidUntil = now.Add(-time.Hour) }))
	w.want(w.get(packages+".gz"), verify.Invalid, "expired")
	w = newWorld(t)
	w.publish(w.bookworm())
	w.broken = func(string) error { return errors.New("reset") }
	w.want(w.get(packages+".gz"), verify.Inconclusive, "unavailable")
	w = newWorld(t)
	w.publish(w.bookworm())
	w.archive.Delete(inRel)
	w.want(w.get(packages+".gz"), verify.Absent, "unsigned")
}

func TestFlatRepositoryIndex(t *testing.T) {
	w := newWorld(t)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Path = "" }))
	w.want(w.get("InRelease"), verify.Valid, "valid")
	w.want(w.get("Packages.gz"), verify.Valid, "valid")
	w.want(w.get("hello_2.10-3_amd64.deb"), verify.Valid, "valid")
	w.archive.Flip("Packages.gz")
	w.want(w.get("Packages.gz"), verify.Invalid, "digest-mismatch")
}

func TestPatchesAreVouchedForByTheirIndex(t *testing.T) {
	const dir = "main/binary-amd64/Packages.diff/"
	patch := []byte("1,2d\n")
	list := fmt.Sprintf("SHA256-Current: %064x 1\nSHA256-Download:\n %x %d T-1-F-2.gz\n", 0, sha256.Sum256(patch), len(patch))
	w := newWorld(t)
	w.publish(w.bookworm(func(s *apttest.Suite) { s.Extra = map[string][]byte{dir + "Index": []byte(list)} }))
	w.want(w.get("dists/bookworm/"+dir+"Index"), verify.Valid, "valid")
	w.archive.Set("dists/bookworm/"+dir+"T-1-F-2.gz", patch)
	f := w.want(w.get("dists/bookworm/"+dir+"T-1-F-2.gz"), verify.Valid, "valid")
	if len(f.Evidence) != 2 {
		t.Errorf("evidence %+v", f.Evidence)
	}
	byHash := fmt.Sprintf("dists/bookworm/%sby-hash/SHA256/%x", dir, sha256.Sum256(patch))
	w.archive.Set(byHash, patch)
	w.want(w.get(byHash), verify.Valid, "valid")
	w.archive.Flip("dists/bookworm/" + dir + "T-1-F-2.gz")
	w.want(w.get("dists/bookworm/"+dir+"T-1-F-2.gz"), verify.Invalid, "digest-mismatch")
	w.archive.Set("dists/bookworm/"+dir+"T-9.gz", patch)
	w.want(w.get("dists/bookworm/"+dir+"T-9.gz"), verify.Untrusted, "not-listed")
	w.broken = func(string) error { return errors.New("reset") }
	w.v = New()
	w.want(w.get("dists/bookworm/"+dir+"T-1-F-2.gz"), verify.Inconclusive, "unavailable")
}

func TestMetadataIsToldByURLAndContent(t *testing.T) {
	tests := []struct {
		url    string
		format verify.Format
		want   bool
	}{
		{root + inRel, "", true},
		{root + "dists/buster/updates/InRelease", "", true},
		{root + packages + ".xz", "xz", true},
		{root + "dists/bookworm/main/binary-amd64/Release", "", true},
		{root + "dists/bookworm/main/binary-amd64/Packages.diff/Index", "", true},
		{root + "dists/bookworm/main/binary-amd64/by-hash/SHA256/" + strings.Repeat("0f", 32), "xz", true},
		{root + "dists/bookworm/main/i18n/Translation-en.bz2", "bzip2", true},
		{root + "dists/bookworm/main/dep11/icons-64x64.tar.gz", "gzip", true},
		{root + "dists/bookworm/main/source/Sources.gz", "gzip", true},
		{"https://pkgs.example.org/deb/Packages.gz", "gzip", true},
		{"https://pkgs.example.org/deb/Release.gpg", "", true},
		{"https://pkgs.example.org/deb/by-hash/SHA256/" + strings.Repeat("0f", 32), "gzip", true},
		{"https://pkgs.example.org/deb/./Packages.gz", "gzip", true},
		{root + packages + ".xz", "pe", false},
		{root + inRel, "script", false},
		{root + hello, "deb", false},
		{root + "dists/bookworm/pool/stable/amd64/x_1_amd64.deb", "deb", false},
		{root + "dists/bookworm/setup.exe", "pe", false},
		{root + "dists/bookworm/main/installer-amd64/current/images/netboot/netboot.tar.gz", "gzip", false},
		{root + "dists/bookworm/Contents-amd64.deb", "gzip", false},
		{"https://example.org/download/tool.tar.gz", "gzip", false},
		{"https://example.org/PackagesOfJoy.gz", "gzip", false},
		{"https://example.org/dists/../dists/a/InRelease", "", false},
		{"ftp://example.org/dists/a/InRelease", "", false},
	}
	for _, tt := range tests {
		a := artifact(tt.url, nil)
		a.Format, a.Content = tt.format, nil // not at hand yet
		if got := New().IsMetadata(a); got != tt.want {
			t.Errorf("%s (%s): metadata %v, want %v", tt.url, tt.format, got, tt.want)
		}
	}
}
