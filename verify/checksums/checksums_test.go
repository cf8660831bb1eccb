package checksums

import (
	"bytes"
	"context"
	"crypto"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside/besidetest"
	"github.com/sallyport-project/sallyport/verify/signify/signifytest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var (
	now     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	content = []byte(strings.Repeat("what is released\n", 100))
)

func config() *packet.Config {
	return &packet.Config{Time: func() time.Time { return now.Add(-time.Hour) }, DefaultHash: crypto.SHA256, Algorithm: packet.PubKeyAlgoEdDSA}
}

func newKey(t testing.TB, name string) *pgp.Entity {
	t.Helper()
	e, err := pgp.NewEntity(name, "", "key@example.org", config())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func keyring(t testing.TB, anchor string, e *pgp.Entity) verify.Keyring {
	t.Helper()
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return verify.Keyring{Anchor: anchor, Data: b.Bytes()}
}

func detached(t testing.TB, text string, keys ...*pgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pgp.ArmoredDetachSign(&b, keys, strings.NewReader(text), &pgp.SignParams{Config: config()}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func clear(t testing.TB, text string, key *pgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, key.PrivateKey, config())
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func gnu(name string, data []byte) string  { return fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name) }
func long(name string, data []byte) string { return fmt.Sprintf("%x *%s\n", sha512.Sum512(data), name) }
func bsd(name string, data []byte) string {
	return fmt.Sprintf("SHA256 (%s) = %x\n", name, sha256.Sum256(data))
}

type world struct {
	key, stranger *pgp.Entity
	bare          *signifytest.Key
}

func newWorld(t testing.TB) *world {
	return &world{newKey(t, "Acme"), newKey(t, "Stranger"), signifytest.NewKey(t, 1)}
}

func (w *world) env(t testing.TB, files map[string][]byte) verify.Env {
	return verify.Env{
		Sidecars: besidetest.NewFolder(files), At: now,
		Trust: verify.Trust{
			Keyrings:   []verify.Keyring{keyring(t, "acme", w.key)},
			PublicKeys: []verify.PublicKey{w.bare.Public("minisign", "mini"), w.bare.Public("signify", "bsd")},
		},
	}
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	good := gnu("other", []byte("x")) + gnu("tool.tar.gz", content)
	wrong := gnu("tool.tar.gz", []byte("an older release"))
	type files = map[string][]byte
	sums := func(list string) files {
		return files{"SHA256SUMS": []byte(list), "SHA256SUMS.asc": detached(t, list, w.key)}
	}
	const valid = "valid:checksums/valid"
	for _, c := range []struct {
		name  string
		files files
		want  string
	}{
		{"with .asc", sums(good), valid},
		{"with .gpg", files{"SHA256SUMS": []byte(good), "SHA256SUMS.gpg": detached(t, good, w.key)}, valid},
		{"SHA-512", sums(long("tool.tar.gz", content)), valid},
		{"SHA-256 and SHA-512", sums(good + long("tool.tar.gz", content)), valid},
		{"right SHA-256 and wrong SHA-512", sums(good + long("tool.tar.gz", nil)), "invalid:checksums/digest-mismatch"},
		{"BSD style, clearsigned", files{"CHECKSUM": clear(t, "# tool.tar.gz: 1700 bytes\n"+bsd("tool.tar.gz", content), w.key)}, valid},
		{"clearsigned beside the list", files{"SHASUMS256.txt": []byte(good), "SHASUMS256.txt.asc": clear(t, good, w.key)}, valid},
		{"of the file alone", files{"tool.tar.gz.sha256": []byte(good), "tool.tar.gz.sha256.asc": detached(t, good, w.key)}, valid},
		{"with .minisig", files{"SHA256SUMS": []byte(good), "SHA256SUMS.minisig": w.bare.Minisign([]byte(good), true, "file:SHA256SUMS")}, valid},
		{"with another list's .minisig", files{"SHA256SUMS": []byte(good), "SHA256SUMS.minisig": w.bare.Minisign([]byte(good), true, "file:OTHER")}, "untrusted:checksums/untrusted-list"},
		{"signify, detached", files{"SHA256": []byte(bsd("tool.tar.gz", content)), "SHA256.sig": w.bare.Signify([]byte(bsd("tool.tar.gz", content)))}, valid},
		{"signify, embedded", files{"SHA256.sig": w.bare.Embedded([]byte(bsd("tool.tar.gz", content)))}, valid},
		{"a directory in the list", sums(gnu("dist/tool.tar.gz", content)), valid},
		{"this directory in the list", sums(gnu("./tool.tar.gz", content)), valid},
		{"two directories with the name", sums(gnu("a/tool.tar.gz", content) + gnu("b/tool.tar.gz", content)), "inconclusive:checksums/malformed"},
		{"carriage returns", sums(strings.ReplaceAll(good, "\n", "\r\n")), valid},
		{"another digest", sums(wrong), "invalid:checksums/digest-mismatch"},
		{"twice with two digests", sums(good + wrong), "invalid:checksums/ambiguous"},
		{"twice with one digest", sums(good + good), valid},
		{"only MD5", sums(fmt.Sprintf("%x  tool.tar.gz\n", md5.Sum(content))), "untrusted:checksums/weak-digest"},
		{"MD5 and SHA-256", sums(fmt.Sprintf("%x  tool.tar.gz\n", md5.Sum(nil)) + good), valid},
		{"not signed", files{"SHA256SUMS": []byte(good)}, "absent:checksums/unsigned"},
		{"not signed, and wrong", files{"SHA256SUMS": []byte(wrong)}, "absent:checksums/unsigned"},
		{"a bare digest", files{"tool.tar.gz.sha256": []byte(gnu("x", content)[:64])}, "absent:checksums/unsigned"},
		{"a bare digest that is signed", files{"tool.tar.gz.sha256": []byte(gnu("x", content)[:64]), "tool.tar.gz.sha256.asc": detached(t, gnu("x", content)[:64], w.key)}, "absent:checksums/unsigned"},
		{"a page for a signature", files{"SHA256SUMS": []byte(good), "SHA256SUMS.asc": []byte("<!DOCTYPE html>")}, "absent:checksums/unsigned"},
		{"by a stranger", files{"SHA256SUMS": []byte(good), "SHA256SUMS.asc": detached(t, good, w.stranger)}, "untrusted:checksums/untrusted-list"},
		{"changed after signing", files{"SHA256SUMS": []byte(good), "SHA256SUMS.asc": detached(t, wrong, w.key)}, "untrusted:checksums/untrusted-list"},
		{"a stale signature, and a good one", files{"SHA256SUMS": []byte(good), "SHA256SUMS.asc": detached(t, wrong, w.key), "SHA256SUMS.sig": detached(t, good, w.key)}, valid},
		{"an unsigned list before a signed one", files{"SHA256SUMS": []byte(good), "sha256sum.txt": []byte(good), "sha256sum.txt.sig": detached(t, good, w.key)}, valid},
		{"signed prose that quotes digests", sums("Dear users, the digests are:\n" + good), "inconclusive:checksums/malformed"},
		{"other files", sums(gnu("other", content)), "absent:checksums/not-listed"},
		{"clearsigned, other files", files{"CHECKSUM": clear(t, bsd("other", content), w.key)}, "absent:checksums/not-listed"},
		{"text after a clearsigned list", files{"CHECKSUM": append(clear(t, bsd("other", content), w.key), good...)}, "untrusted:checksums/untrusted-list"},
		{"nothing", files{}, "absent:checksums/no-list"},
	} {
		e := w.env(t, c.files)
		found, err := New().Verify(context.Background(), besidetest.Artifact("tool.tar.gz", content), e)
		if got := besidetest.Codes(found); err != nil || got != c.want {
			t.Errorf("%s: %v %s, want %s: %v", c.name, err, got, c.want, found)
		}
		if n := len(e.Sidecars.(*besidetest.Folder).Asked()); n > maxFetches {
			t.Errorf("%s: %d fetches", c.name, n)
		}
	}
}

func TestSuite(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld(t)
	list := gnu("tool.tar.gz", content) + long("tool.tar.gz", content)
	verifytest.Run(t, New(),
		verifytest.Case{
			Name: "signed", Data: content, Artifact: *besidetest.Artifact("tool.tar.gz", content), Flips: 80,
			Env:  w.env(t, map[string][]byte{"SHA256SUMS": []byte(list), "SHA256SUMS.sign": detached(t, list, w.key)}),
			Want: []verifytest.Want{{Status: verify.Valid, Code: "checksums/valid", Anchor: "acme"}},
		},
		verifytest.Case{Name: "a signature is in no list", Data: content, Artifact: verify.Artifact{Name: "tool.tar.gz.asc"}},
	)
}

// A list that several builders signed counts for each of them.
func TestEverySignerOfAListVouches(t *testing.T) {
	w := newWorld(t)
	list := gnu("tool.tar.gz", content)
	e := w.env(t, map[string][]byte{"SHA256SUMS": []byte(list), "SHA256SUMS.asc": detached(t, list, w.stranger, w.key)})
	e.Trust.Keyrings = append(e.Trust.Keyrings, keyring(t, "second", w.stranger))
	found, err := New().Verify(context.Background(), besidetest.Artifact("tool.tar.gz", content), e)
	if err != nil || besidetest.Codes(found) != "valid:checksums/valid valid:checksums/valid" || found[0].Anchors[0] == found[1].Anchors[0] ||
		found[0].Signer.Fingerprint == found[1].Signer.Fingerprint || len(found[0].Evidence) != 2 {
		t.Errorf("%v %+v", err, found)
	}
}

func TestNothingIsFetchedInVain(t *testing.T) {
	dir := besidetest.NewFolder(nil)
	found, err := New().Verify(context.Background(), besidetest.Artifact("a.exe", content), verify.Env{Sidecars: dir, At: now})
	if err != nil || found != nil || dir.Asked() != nil {
		t.Errorf("without keys: %v %v, asked for %v", err, found, dir.Asked())
	}
	e := newWorld(t).env(t, nil)
	e.Sidecars = verify.NoSidecars{}
	if found, err := New().Verify(context.Background(), besidetest.Artifact("a.exe", content), e); err != nil || found != nil {
		t.Errorf("without sidecars: %v %v", err, found)
	}
	broken := besidetest.NewFolder(nil)
	broken.Broken = map[string]bool{"SHA256SUMS": true}
	e.Sidecars = broken
	if found, _ := New().Verify(context.Background(), besidetest.Artifact("a.exe", content), e); besidetest.Codes(found) != "inconclusive:checksums/unavailable" {
		t.Errorf("where it could not be told: %v", found)
	}
}

func TestParseLine(t *testing.T) {
	h := strings.Repeat("ab", 32)
	for _, c := range []struct{ line, path string }{
		{h + "  a b", "a b"}, {h + " *a", "a"}, {h + " a", "a"}, {strings.ToUpper(h) + "  a", "a"},
		{`\` + h + `  a\nb\\c\rd`, "a\nb\\c\rd"}, {"SHA256 (a) = " + h, "a"}, {"SHA256 (a (b) = c) = " + h, "a (b) = c"},
		{`\SHA256 (a\nb) = ` + h, "a\nb"}, {h + "  ./a", "a"},
		{h, ""}, {h + " ", ""}, {h + "  ", ""}, {h[:62] + "  a", ""}, {"zz" + h[2:] + "  a", ""}, {`\` + h + `  a\x`, ""}, {`\` + h + `  a\`, ""},
		{"SHA256 (a) = " + h[:40], ""}, {"SHA999 (a) = " + h, ""}, {"SHA256 () = " + h, ""}, {h + "  a\x00b", ""}, {h + "\ta", ""}, {"", ""},
	} {
		e, ok := parseLine([]byte(c.line))
		if ok != (c.path != "") || ok && e.path != c.path {
			t.Errorf("%q: %q %v, want %q", c.line, e.path, ok, c.path)
		}
	}
}

// A list never names a file with two digests of one kind and is believed about both.
func FuzzParseList(f *testing.F) {
	f.Add([]byte(gnu("a", content) + bsd("b", content)))
	f.Add([]byte(`\` + strings.Repeat("ab", 32) + `  a\nb` + "\n# x\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseList(data)
		if err != nil {
			return
		}
		if len(l.entries) > maxEntries {
			t.Fatal("too many lines")
		}
		for _, e := range l.entries {
			if e.path == "" || len(e.sum) != e.algorithm.size {
				t.Fatalf("%+v", e)
			}
			if found, several := l.find(e.path); several || len(found) == 0 {
				t.Fatalf("%q is in the list and is not found", e.path)
			}
		}
		// Reading is line by line: what stands in front changes nothing.
		again, err := parseList(append([]byte("# comment\n"), data...))
		if err != nil || len(again.entries) != len(l.entries) {
			t.Fatalf("behind a comment: %v", err)
		}
	})
}

// Whatever lies beside a file, no file but the one that was listed is vouched for.
func FuzzSigned(f *testing.F) {
	w := newWorld(f)
	list := gnu("tool.tar.gz", content)
	f.Add([]byte(list), detached(f, list, w.key))
	f.Add(clear(f, list, w.key), []byte(nil))
	f.Add([]byte(list), w.bare.Embedded([]byte(list)))
	f.Add([]byte(list), w.bare.Minisign([]byte(list), true, "x"))
	other := append(bytes.Clone(content), 0)
	f.Fuzz(func(t *testing.T, list, sig []byte) {
		e := w.env(t, map[string][]byte{"SHA256SUMS": list, "SHA256SUMS.asc": sig, "SHA256SUMS.minisig": sig})
		found, err := New().Verify(context.Background(), besidetest.Artifact("tool.tar.gz", other), e)
		if err != nil || len(found) == 0 {
			t.Fatalf("%v, %d findings", err, len(found))
		}
		for _, one := range found {
			if one.Status == verify.Valid {
				t.Fatalf("%+v", one)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	var list strings.Builder
	for i := range 1000 {
		list.WriteString(gnu(fmt.Sprintf("file-%d", i), nil))
	}
	list.WriteString(gnu("tool.tar.gz", content))
	e := w.env(b, map[string][]byte{"SHA256SUMS": []byte(list.String()), "SHA256SUMS.asc": detached(b, list.String(), w.key)})
	for b.Loop() {
		found, err := New().Verify(context.Background(), besidetest.Artifact("tool.tar.gz", content), e)
		if err != nil || besidetest.Codes(found) != "valid:checksums/valid" {
			b.Fatal(err, found)
		}
	}
}
