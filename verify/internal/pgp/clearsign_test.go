package pgp

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

func TestClearsignedTextIsWhatWasSigned(t *testing.T) {
	key := newKey(t)
	ring := keyring(t, key)
	for name, text := range map[string]string{
		"plain":               "Origin: Debian\nSuite: stable\n",
		"no line end":         "Origin: Debian",
		"dashes":              "- a\n-- b\n-----BEGIN PGP SIGNATURE-----\nend\n",
		"white space at ends": "a \t\nb  \n\n",
		"empty":               "",
		"empty lines":         "\n\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			doc := clearsigned(t, text, key.PrivateKey)
			for _, d := range [][]byte{doc, []byte(strings.ReplaceAll(string(doc), "\n", "\r\n"))} {
				got, sig, err := SplitClearsigned(d)
				if err != nil {
					t.Fatal(err)
				}
				list, err := ring.Verify(got, sig, now)
				if best, _ := Best(list); err != nil || best.Outcome != Good {
					t.Errorf("%+v, %v; text %q", best, err, got)
				}
			}
		})
	}
}

func TestClearsignedRefusals(t *testing.T) {
	good := string(clearsigned(t, "Origin: Debian\n", newKey(t).PrivateKey))
	tests := []struct {
		name, in string
		want     error
	}{
		{"text before", "x\n" + good, ErrNotClearsigned},
		{"empty line before", "\n" + good, ErrNotClearsigned},
		{"byte order mark before", "\ufeff" + good, ErrNotClearsigned},
		{"text after", good + "x\n", ErrClearsigned},
		{"two messages", good + good, ErrClearsigned},
		{"second signature block", good + good[strings.Index(good, beginSignature):], ErrClearsigned},
		{"another header", strings.Replace(good, "Hash:", "Comment:", 1), ErrClearsigned},
		{"text hidden in a header", strings.Replace(good, "Hash: SHA256", "Hash: SHA256\nHash: Origin: Evil", 1), ErrClearsigned},
		{"control character in a header", strings.Replace(good, "Hash: SHA256", "Hash: SHA256\vOrigin", 1), ErrClearsigned},
		{"unescaped hyphen", strings.Replace(good, "Origin", "-Origin", 1), ErrClearsigned},
		{"carriage return in a line", strings.Replace(good, "Origin: ", "Origin\r: ", 1), ErrClearsigned},
		{"NUL", strings.Replace(good, "Origin: ", "Origin:\x00", 1), ErrClearsigned},
		{"no signature", good[:strings.Index(good, beginSignature)], ErrClearsigned},
		{"signature without end", good[:strings.Index(good, endSignature)], ErrClearsigned},
		{"nothing", "", ErrNotClearsigned},
		{"only the first line", beginMessage, ErrClearsigned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := SplitClearsigned([]byte(tt.in)); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// FuzzSplitClearsigned holds the strict splitter against the library's lenient one: what the strict one accepts, the
// library must read as the same text.
func FuzzSplitClearsigned(f *testing.F) {
	key := newKey(f)
	f.Add(clearsigned(f, "Origin: Debian\n- x\n", key.PrivateKey))
	f.Add(clearsigned(f, "", key.PrivateKey, newKey(f).PrivateKey))
	f.Add([]byte(beginMessage + "\nHash: SHA256\n\n- -x\n" + beginSignature + "\n\n" + endSignature))
	f.Fuzz(func(t *testing.T, in []byte) {
		text, sig, err := SplitClearsigned(in)
		if err != nil {
			return
		}
		if len(text) > len(in) || len(sig) > len(in)+1 {
			t.Fatal("more came out than went in")
		}
		block, _ := clearsign.Decode(in)
		if block == nil || !utf8.Valid(in) {
			return // the library reads the armour as well, and refuses more of it
		}
		if got := strings.ReplaceAll(string(block.Bytes), "\r\n", "\n"); got != string(text) {
			t.Errorf("split as %q, the library reads %q", text, got)
		}
	})
}

// FuzzVerify feeds hostile signatures and keyrings to the verifier.
func FuzzVerify(f *testing.F) {
	key := newKey(f)
	f.Add(public(f, key), sign(f, key.PrivateKey, message, now))
	f.Fuzz(func(t *testing.T, ring, sig []byte) {
		k, err := ParseKeyring(ring)
		if err != nil {
			return
		}
		list, err := k.Verify(message, sig, now)
		if err != nil || len(list) > MaxSignatures {
			t.Errorf("%d signatures, %v", len(list), err)
		}
	})
}
