package signify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"testing"
)

func newKey(t testing.TB) (Key, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(append([]byte("Ed12345678"), public...))
	if err != nil {
		t.Fatal(err)
	}
	return k, private
}

// The stream agrees with crypto/ed25519 about signatures, changed ones and ones that are not reduced.
func TestStreamAgreesWithTheStandardLibrary(t *testing.T) {
	for n := range 64 {
		k, private := newKey(t)
		message := bytes.Repeat([]byte{byte(n)}, n*37)
		sig := [64]byte(ed25519.Sign(private, message))
		for flip := -1; flip < 64; flip += 5 {
			s := sig
			if flip >= 0 {
				s[flip] ^= 1 << (n % 8)
			}
			if got, want := fits(k.Point, s, message), ed25519.Verify(k.Point[:], message, s[:]); got != want || want != (flip < 0) {
				t.Fatalf("flip %d: %v, crypto/ed25519 says %v", flip, got, want)
			}
		}
	}
	k, private := newKey(t)
	sig := [64]byte(ed25519.Sign(private, []byte("x")))
	order := []byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
	carry := 0
	for i, o := range order {
		carry += int(sig[32+i]) + int(o)
		sig[32+i] = byte(carry)
		carry >>= 8
	}
	if fits(k.Point, sig, []byte("x")) {
		t.Error("S is not reduced, and the signature fits")
	}
}

func TestKeysOfSmallOrderAreRefused(t *testing.T) {
	for _, y := range [][]byte{{1}, {0}, {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}} {
		point := make([]byte, 32)
		copy(point, y)
		if _, err := ParseKey(append([]byte("Ed12345678"), point...)); err == nil {
			t.Errorf("%x is taken for a key", point)
		}
	}
}

func line(b ...[]byte) string { return base64.StdEncoding.EncodeToString(bytes.Join(b, nil)) }

func TestParse(t *testing.T) {
	value := make([]byte, 64)
	legacy := line([]byte("Ed12345678"), value)
	const c = "untrusted comment: x\n"
	for _, test := range []struct {
		name, data string
		other      bool // ErrOther
		ok         bool
	}{
		{"signify", c + legacy + "\n", false, true},
		{"signify without the last line end", c + legacy, false, true},
		{"embedded", c + legacy + "\nthe message", false, true},
		{"minisign", c + legacy + "\ntrusted comment: y\n" + line(value) + "\n", false, true},
		{"with carriage returns", "untrusted comment: x\r\n" + legacy + "\r\ntrusted comment: y\r\n" + line(value) + "\r\n", false, true},
		{"a page", "<html>", true, false},
		{"empty", "", true, false},
		{"only a comment", "untrusted comment: x", true, false},
		{"no signature", c, false, false},
		{"another algorithm", c + line([]byte("XX12345678"), value), false, false},
		{"too short", c + line([]byte("Ed12345678"), value[1:]), false, false},
		{"too long", c + line([]byte("Ed12345678"), value, []byte{0}), false, false},
		{"no base64", c + "!" + legacy[1:], false, false},
		{"bits that mean nothing", c + legacy[:len(legacy)-3] + "B==", false, false},
		{"minisign without its second signature", c + legacy + "\ntrusted comment: y\n", false, false},
		{"minisign with something after it", c + legacy + "\ntrusted comment: y\n" + line(value) + "\nmore", false, false},
		{"a comment of binary", c + legacy + "\ntrusted comment: \xff\xfe\n" + line(value) + "\n", false, false},
	} {
		_, err := Parse([]byte(test.data))
		if (err == nil) != test.ok || errors.Is(err, ErrOther) != test.other {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestNamesInTheTrustedComment(t *testing.T) {
	for _, c := range []struct {
		comment string
		want    bool
	}{
		{"timestamp:1\tfile:a.tar", true}, {"timestamp:1\tfile:a.tar\thashed", true}, {"file:b.tar", false}, {"file:", false},
		{"anything else", true}, {"", true}, {"file:a.tar\tfile:b.tar", false}, {"file:A.tar", false}, {"file:x/a.tar", false},
	} {
		if got := (&Signature{Comment: c.comment}).Names("a.tar"); got != c.want {
			t.Errorf("%q: %v", c.comment, got)
		}
	}
}

// Whatever a signature file says, only who has the key can have signed, and only what was signed.
func FuzzParse(f *testing.F) {
	k, private := newKey(f)
	message := []byte("the message")
	sum := sha512.Sum512(message)
	value := ed25519.Sign(private, message)
	comment := "timestamp:1\tfile:a"
	global := ed25519.Sign(private, append(bytes.Clone(value), comment...))
	good := "untrusted comment: x\n" + line([]byte("Ed12345678"), value) + "\ntrusted comment: " + comment + "\n" + line(global) + "\n"
	f.Add([]byte(good))
	f.Add([]byte("untrusted comment: x\n" + line([]byte("Ed12345678"), value) + "\nthe message"))
	f.Add([]byte("untrusted comment: x\n" + line([]byte("ED12345678"), ed25519.Sign(private, sum[:])) + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sig, err := Parse(data)
		if err != nil {
			return
		}
		sig.Fields()
		right, wrong := NewCheck(sig, k), NewCheck(sig, k)
		right.Write(message)
		wrong.Write([]byte("another message"))
		if wrong.Err() == nil {
			t.Fatal("a signature fits two messages")
		}
		if right.Err() == nil && (sig.Value != [64]byte(value) || sig.Minisign && sig.Comment != comment) {
			t.Fatalf("%q is taken for signed", data)
		}
	})
}
