package tufclient

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

func TestCanonicalForm(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                             `{}`,
		" { \"b\" : 1 , \"a\" : [ ] }\n": `{"a":[],"b":1}`,
		`{"z":{"y":1,"x":[true,false,null]},"a":"\u00e9\n\/\"\\"}`: "{\"a\":\"é\n/\\\"\\\\\",\"z\":{\"x\":[true,false,null],\"y\":1}}",
		`{"\"":1,"!":2,"#":3}`:                              `{"!":2,"\"":1,"#":3}`,
		`{"\\a":1,"]":2,"[":3}`:                             `{"[":3,"\\a":1,"]":2}`,
		`{"a":-5,"b":9223372036854775807}`:                  `{"a":-5,"b":9223372036854775807}`,
		`{"a":"\ud83d\ude00"}`:                              `{"a":"😀"}`,
		`{"b":{"d":1,"c":2},"a":{"f":1,"e":{"h":1,"g":2}}}`: `{"a":{"e":{"g":2,"h":1},"f":1},"b":{"c":2,"d":1}}`,
	} {
		got, err := canonicalize([]byte(in), 32)
		if err != nil || string(got) != want {
			t.Errorf("canonicalize(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestWhatTwoReadersCouldDisagreeAboutIsNoJSON(t *testing.T) {
	for _, in := range []string{
		``, `[]`, `1`, `{"a":1`, `{"a" 1}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{"a":[1,]}`, `{"a":[,1]}`, `{} {}`, `{}x`,
		`{"a":1,"a":2}`, `{"b":1,"a":1,"b":2}`, `{"a":1,"\u0061":2}`,
		`{"a":1.0}`, `{"a":1e2}`, `{"a":-0}`, `{"a":01}`, `{"a":-}`, `{"a":9223372036854775808}`, `{"a":100000000000000000000000}`,
		"{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":"\ud800\u0061"}`, `{"a":"\udc00\ud800"}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"`, `{"a":"\`,
		`{a:1}`, `{"a":nul}`, `{"a":NaN}`, `{"a":'b'}`, "\ufeff{}",
		strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
	} {
		if got, err := canonicalize([]byte(in), 32); err == nil {
			t.Errorf("canonicalize(%s) = %s, want an error", in, got)
		}
	}
}

// FuzzCanonical holds canonicalize against the library's encoder: whatever it accepts, the library makes the same of.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"b":[1,{"d":"x","c":null}],"a":"\u003c\""}`, `{"\"":1,"!":2}`, `{"a":{"b":{}},"A":-1}`, `{"é":"\ud83d\ude00"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := canonicalize(data, 32)
		if err != nil {
			return
		}
		want, err := cjson.EncodeCanonical(json.RawMessage(data))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("of %q ours is %q, the library's %q, %v", data, got, want, err)
		}
		c := cursor{b: got}
		if all, err := c.skip(); err != nil || !bytes.Equal(all, got) {
			t.Fatalf("the cursor reads %q of %q, %v", all, got, err)
		}
	})
}
