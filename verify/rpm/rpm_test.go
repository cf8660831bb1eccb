package rpm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/rpmfile"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

var (
	now  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	born = now.AddDate(-2, 0, 0)
)

func newKey(t testing.TB, name string, lifetime time.Duration) *rpmtest.Key {
	t.Helper()
	k, err := rpmtest.NewKey(name, born, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newRSAKey(t testing.TB, name string) *rpmtest.Key {
	t.Helper()
	k, err := rpmtest.NewRSAKey(name, born)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func public(t testing.TB, k *rpmtest.Key) []byte {
	t.Helper()
	b, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func trusting(t testing.TB, keys ...*rpmtest.Key) verify.Env {
	env := verify.Env{At: now}
	for i, k := range keys {
		env.Trust.Keyrings = append(env.Trust.Keyrings, verify.Keyring{Anchor: []string{"ours", "theirs"}[i], Data: public(t, k)})
	}
	return env
}

func build(t testing.TB, p rpmtest.Package) []byte {
	t.Helper()
	if p.SignedAt.IsZero() {
		p.SignedAt = now.AddDate(-1, 0, 0)
	}
	if p.Files == nil {
		p.Files = []rpmtest.File{{Path: "/usr/bin/hello", Content: strings.Repeat("#!/bin/sh\necho hello\n", 40), Mode: 0o100755}}
	}
	b, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func examine(t testing.TB, data []byte, env verify.Env) []verify.Finding {
	t.Helper()
	a := &verify.Artifact{Format: "rpm", Size: int64(len(data)), Content: bytes.NewReader(data), Digests: verify.Digests{SHA256: sha256.Sum256(data)}}
	fs, err := New().Verify(context.Background(), a, env)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// unsigned names what nothing covers of a package of format 4 made by rpmtest: of the lead what rpm does not read, and
// of the signature header the index.
func unsigned(data []byte) []verifytest.Range {
	entries := int64(binary.BigEndian.Uint32(data[96+8:]))
	indexEnd := 96 + 16 + 16*entries
	end := indexEnd + int64(binary.BigEndian.Uint32(data[96+12:]))
	return []verifytest.Range{
		{From: 5, To: 78, Why: "of the lead nothing but magic, version and kind of signature is read, by rpm or here"},
		{From: 80, To: 96, Why: "the rest of the lead is reserved"},
		{From: 96 + 32, To: indexEnd, Why: "the signature header is not signed: a digest under another tag is not seen as one"},
		{From: end - 16 - 4, To: end - 16, Why: "the uncompressed size of the payload, which only shows progress"},
	}
}

// retyped returns a package with another type for a tag of its signature header.
func retyped(data []byte, tag, kind uint32) []byte {
	out := bytes.Clone(data)
	for at := 112; at < 112+16*int(binary.BigEndian.Uint32(data[104:])); at += 16 {
		if binary.BigEndian.Uint32(out[at:]) == tag {
			binary.BigEndian.PutUint32(out[at+4:], kind)
		}
	}
	return out
}

func TestVerify(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	key, other := newRSAKey(t, "Package Signer"), newRSAKey(t, "Somebody Else")
	ed := newKey(t, "Ed Signer", 0)
	env := trusting(t, key)
	header := build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, V3: true, Compressor: "gzip"})
	all := build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, AllBy: key, V3: true, NoPayloadDigest: true, Compressor: "xz"})
	six := build(t, rpmtest.Package{Format: 6, HeaderBy: []*rpmtest.Key{other, ed}})
	valid := verifytest.Want{Status: verify.Valid, Code: "rpm/valid", Signer: "Package Signer <packages@example.org>", Anchor: "ours"}
	unknown := verifytest.Want{Status: verify.Untrusted, Code: "rpm/unknown-key"}
	verifytest.Run(t, New(),
		verifytest.Case{Name: "header signature and payload digest", Data: header, Env: env, Want: []verifytest.Want{valid}, Uncovered: unsigned(header), Flips: 250},
		verifytest.Case{Name: "signature over header and payload", Data: all, Env: env, Want: []verifytest.Want{valid},
			// The header's own signature may go: the other covers the header too.
			Flips: -1},
		verifytest.Case{Name: "format 3", Data: build(t, rpmtest.Package{Format: 3, AllBy: key, V3: true, NoPayloadDigest: true}), Env: env, Want: []verifytest.Want{valid}, Flips: -1},
		verifytest.Case{Name: "format 6, one of two signers known", Data: six, Env: trusting(t, ed), Flips: -1,
			Want: []verifytest.Want{{Status: verify.Valid, Code: "rpm/valid", Anchor: "ours"}, unknown}},
		verifytest.Case{Name: "unsigned", Data: build(t, rpmtest.Package{}), Env: env, Want: []verifytest.Want{{Status: verify.Absent, Code: "rpm/unsigned"}}},
		verifytest.Case{Name: "by a stranger", Data: header, Env: trusting(t, other), Want: []verifytest.Want{unknown}},
		verifytest.Case{Name: "nobody is trusted", Data: header, Env: verify.Env{At: now}, Want: []verifytest.Want{unknown}},
		verifytest.Case{Name: "header signature only, payload by MD5", Env: env,
			Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, NoPayloadDigest: true}),
			Want: []verifytest.Want{{Status: verify.Untrusted, Code: "rpm/md5-payload"}}},
		verifytest.Case{Name: "payload digest is SHA-1", Env: env,
			Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, NoPayloadDigest: true, Header: []rpmtest.Tag{
				{Number: 5092, Value: []string{"da39a3ee5e6b4b0d3255bfef95601890afd80709"}}, {Number: 5093, Value: []uint32{2}}}}),
			Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/digest-mismatch"}}},
		verifytest.Case{Name: "SHA-1 signature", Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, V3: true, Hash: crypto.SHA1}), Env: env,
			Want: []verifytest.Want{{Status: verify.Untrusted, Code: "rpm/weak-signature"}}},
		verifytest.Case{Name: "bytes behind the payload", Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, Trailing: []byte("more")}), Env: env,
			Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/trailing-data"}}},
		verifytest.Case{Name: "cut short", Data: header[:len(header)-7], Env: env, Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/truncated"}}},
		verifytest.Case{Name: "cut inside the header", Data: header[:400], Env: env, Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/malformed"}}},
		verifytest.Case{Name: "something in the room kept for signatures", Env: env,
			Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, Signature: []rpmtest.Tag{{Number: 1008, Value: []byte("MZ")}}}),
			Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/malformed"}}},
		verifytest.Case{Name: "much under an unknown tag", Env: env,
			Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, Signature: []rpmtest.Tag{{Number: 700, Value: make([]byte, 5000)}}}),
			Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/malformed"}}},
		verifytest.Case{Name: "little under an unknown tag", Env: env, Flips: -1,
			Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, Signature: []rpmtest.Tag{{Number: 700, Value: "new"}, {Number: 274, Value: []string{"0302"}}}}),
			Want: []verifytest.Want{valid, {Status: verify.Valid, Code: "rpm/file-signatures"}, {Status: verify.Valid, Code: "rpm/unsigned-data"}}},
		verifytest.Case{Name: "a tag twice", Env: env,
			Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, Header: []rpmtest.Tag{{Number: 1000, Value: "other"}}}),
			Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/malformed"}}},
		verifytest.Case{Name: "a digest of the header of another type", Env: env, Data: retyped(header, 273, 8),
			Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/malformed"}}},
		verifytest.Case{Name: "a digest of the payload of another type", Env: env,
			Data: build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{key}, NoPayloadDigest: true, Header: []rpmtest.Tag{
				{Number: 5092, Value: strings.Repeat("0", 64)}, {Number: 5093, Value: []uint32{8}}}}),
			Want: []verifytest.Want{{Status: verify.Invalid, Code: "rpm/malformed"}}},
		verifytest.Case{Name: "no package", Data: []byte("PK\x03\x04"), Want: nil},
	)
}

func TestSeveralAnchors(t *testing.T) {
	a, b := newKey(t, "A", 0), newKey(t, "B", 0)
	env := trusting(t, a, b)
	env.Trust.Keyrings[1].Data = append(public(t, b), public(t, a)...)
	fs := examine(t, build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{a}}), env)
	if len(fs) != 1 || strings.Join(fs[0].Anchors, " ") != "ours theirs" || !strings.Contains(fs[0].Detail, "hello-1.0-1.noarch") {
		t.Errorf("%+v", fs)
	}
}

// Every signature over the header may need a hash of its own: there must not be as many as fit into the file.
func TestTooManySignatures(t *testing.T) {
	key := newKey(t, "Busy", 0)
	env := trusting(t, key)
	for count, want := range map[int]string{maxSignatures: "rpm/valid", maxSignatures + 1: "rpm/malformed"} {
		var by []*rpmtest.Key
		for range count {
			by = append(by, key)
		}
		fs := examine(t, build(t, rpmtest.Package{Format: 6, HeaderBy: by}), env)
		if len(fs) != 1 || fs[0].Code != want {
			t.Errorf("%d signatures: %+v, want %s", count, fs, want)
		}
	}
	x := &examination{pkg: &rpmfile.Package{Header: &rpmfile.Header{Region: true}}}
	for range maxSignatures {
		if err := x.add(nil, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.add(nil, false); err == nil {
		t.Error("one more is taken, and would be hashed")
	}
}

// What a key's end means for the packages that it signed.
func TestKeysThatEnded(t *testing.T) {
	week := 7 * 24 * time.Hour
	sign := func(k *rpmtest.Key, at time.Time) []byte {
		return build(t, rpmtest.Package{HeaderBy: []*rpmtest.Key{k}, SignedAt: at})
	}
	expired, soon := newKey(t, "Expired", week), newKey(t, "Soon", now.Sub(born)+week)
	compromised, retired := newKey(t, "Compromised", 0), newKey(t, "Retired", 0)
	if err := compromised.Revoke(now.Add(-week)); err != nil {
		t.Fatal(err)
	}
	if err := retired.Retire(now.Add(-week)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		key  *rpmtest.Key
		at   time.Time
		want string
	}{
		{"signed while the key lived", expired, born.Add(time.Hour), "rpm/valid"},
		{"signed after the key's end", expired, now.Add(-week), "rpm/unusable-key"},
		{"the key ends later", soon, now.Add(-week), "rpm/valid"},
		{"a moment ahead of our clock", soon, now.Add(time.Minute), "rpm/valid"},
		{"far in the future", soon, now.Add(3 * time.Hour), "rpm/expired"},
		{"before the key was made", soon, born.Add(-time.Hour), "rpm/unusable-key"},
		{"revoked as compromised, signed before", compromised, born.Add(time.Hour), "rpm/unusable-key"},
		{"retired, signed before", retired, born.Add(time.Hour), "rpm/valid"},
		{"retired, signed after", retired, now.Add(-time.Hour), "rpm/unusable-key"},
	} {
		fs := examine(t, sign(c.key, c.at), trusting(t, c.key))
		if len(fs) != 1 || fs[0].Code != c.want {
			t.Errorf("%s: %+v, want %s", c.name, fs, c.want)
		}
		if c.want == "rpm/unusable-key" && len(fs[0].Signer.Fingerprint) != 40 {
			t.Errorf("%s: the key is not named, so that nobody can refuse it: %+v", c.name, fs)
		}
		if c.key == soon && c.want == "rpm/valid" && fs[0].NotAfter.IsZero() {
			t.Errorf("%s: the fact does not end with the key", c.name)
		}
	}
}
