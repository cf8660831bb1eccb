package unpack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sallyport-project/sallyport/verify"
)

// buildASAR puts an archive together.
func buildASAR(header string, data []byte) []byte {
	padded := (len(header) + 3) / 4 * 4
	var b []byte
	for _, n := range []int{4, padded + 8, padded + 4, len(header)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	b = append(b, header...)
	b = append(b, make([]byte, padded-len(header))...)
	return append(b, data...)
}

func digestOf(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

func TestASARFindings(t *testing.T) {
	integrity := func(whole string, blocks ...string) string {
		b, _ := json.Marshal(map[string]any{"algorithm": "SHA256", "hash": whole, "blockSize": 4 << 20, "blocks": blocks})
		return `,"integrity":` + string(b)
	}
	deep := strings.Repeat(`{"files":{"a":`, 100) + `{"size":1,"offset":"0"}` + strings.Repeat(`}}`, 100)
	for name, c := range map[string]struct {
		header, data string
		want         []string
		files        int
	}{
		"good":                  {`{"files":{"a.js":{"size":5,"offset":"0"},"d":{"files":{"b":{"size":3,"offset":"5","executable":true}}},"l":{"link":"a.js"},"e":{"size":0,"offset":"8"}}}`, "helloabc", nil, 3},
		"good digest":           {`{"files":{"a":{"size":5,"offset":"0"` + integrity(digestOf("hello"), digestOf("hello")) + `}}}`, "hello", nil, 1},
		"digest of nothing":     {`{"files":{"a":{"size":0,"offset":"0"` + integrity(digestOf(""), digestOf("")) + `}}}`, "", nil, 1},
		"wrong digest":          {`{"files":{"a":{"size":5,"offset":"0"` + integrity(digestOf("hullo"), digestOf("hello")) + `}}}`, "hello", []string{"invalid:integrity"}, 1},
		"wrong block":           {`{"files":{"a":{"size":5,"offset":"0"` + integrity(digestOf("hello"), digestOf("hullo")) + `}}}`, "hello", []string{"invalid:integrity"}, 1},
		"too many blocks":       {`{"files":{"a":{"size":5,"offset":"0"` + integrity(digestOf("hello"), digestOf("hello"), digestOf("")) + `}}}`, "hello", []string{"invalid:integrity"}, 1},
		"unknown digest":        {`{"files":{"a":{"size":5,"offset":"0","integrity":{"algorithm":"MD5","hash":"00"}}}}`, "hello", []string{"inconclusive:unknown-integrity"}, 1},
		"unpacked":              {`{"files":{"a":{"size":5,"unpacked":true}}}`, "", []string{"valid:unpacked"}, 0},
		"copy":                  {`{"files":{"a":{"size":5,"offset":"0"},"b":{"size":5,"offset":"0"}}}`, "hello", nil, 2},
		"overlap":               {`{"files":{"a":{"size":5,"offset":"0"},"b":{"size":5,"offset":"1"}}}`, "helloo", []string{"invalid:overlap"}, 2},
		"gap":                   {`{"files":{"a":{"size":1,"offset":"0"},"b":{"size":1,"offset":"4"}}}`, "hello", []string{"invalid:gap"}, 2},
		"trailing bytes":        {`{"files":{"a":{"size":1,"offset":"0"}}}`, "hello", []string{"invalid:trailing-data"}, 1},
		"beyond the end":        {`{"files":{"a":{"size":6,"offset":"0"}}}`, "hello", []string{"invalid:malformed"}, 0},
		"offset that overflows": {`{"files":{"a":{"size":6,"offset":"9223372036854775807"}}}`, "hello", []string{"invalid:malformed"}, 0},
		"negative offset":       {`{"files":{"a":{"size":6,"offset":"-3"}}}`, "hello", []string{"invalid:malformed"}, 0},
		"no size":               {`{"files":{"a":{"offset":"0"}}}`, "hello", []string{"invalid:malformed"}, 0},
		"the same name twice":   {`{"files":{"a":{"size":1,"offset":"0"},"a":{"size":1,"offset":"1"}}}`, "he", []string{"invalid:malformed"}, 0},
		"the same key twice":    {`{"files":{"a":{"size":1,"offset":"0","size":5}}}`, "hello", []string{"invalid:malformed"}, 0},
		"no files":              {`{"x":1}`, "", []string{"invalid:malformed"}, 0},
		"cut in the middle":     {`{"files":{"a":{"size":1`, "", []string{"invalid:malformed"}, 0},
		"something after it":    {`{"files":{}} {}`, "", []string{"invalid:malformed"}, 0},
		"folders without end":   {deep, "x", []string{"inconclusive:not-looked-into"}, 0},
	} {
		s, found := openWith(t, NewASAR(), buildASAR(c.header, []byte(c.data)))
		if !slices.Equal(found, c.want) || len(s.files) != c.files || len(s.broken) > 0 {
			t.Errorf("%s: findings %v, want %v; files %v, broken %v", name, found, c.want, s.files, s.broken)
		}
	}
	if _, found := openWith(t, NewASAR(), []byte("\x04\x00\x00\x00 no archive at all")); !slices.Equal(found, []string{"no match"}) {
		t.Errorf("no archive: %v", found)
	}
}

// asarTool is the packer of @electron/asar, which SALLYPORT_ASAR names or npm installed.
func asarTool(t *testing.T) string {
	if path := os.Getenv("SALLYPORT_ASAR"); path != "" {
		return path
	}
	return referenceTool(t, "asar")
}

func TestASARUnpacksWhatElectronPacks(t *testing.T) {
	tool := asarTool(t)
	dir, out := sevenZipTree(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big.js"), bytes.Repeat([]byte("0123456789abcdef"), 600<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("noise.bin", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(out, "app.asar")
	runTool(t, dir, tool, "pack", dir, file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, found := openWith(t, NewASAR(), b)
	if diff := cmp.Diff(shaBelow(t, dir), shaOf(s.files)); diff != "" || len(found) > 0 || s.links["link"] != "noise.bin" {
		t.Errorf("(-packed +ours)\n%s\n%v %v", diff, found, s.links)
	}
	b[len(b)-1] ^= 1
	if _, found := openWith(t, NewASAR(), b); !slices.Equal(found, []string{"invalid:integrity"}) {
		t.Errorf("a changed byte: %v", found)
	}
	runTool(t, dir, tool, "pack", dir, file, "--unpack", "*.bin")
	if b, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	if s, found = openWith(t, NewASAR(), b); !slices.Equal(found, []string{"valid:unpacked"}) || s.files["noise.bin"] != nil {
		t.Errorf("unpacked: %v", found)
	}
}

// FuzzASAR looks for archives on which the opener panics, fails, or hands on what lies outside.
func FuzzASAR(f *testing.F) {
	f.Add([]byte(`{"files":{"a":{"size":5,"offset":"0","integrity":{"algorithm":"SHA256","hash":"00","blockSize":4,"blocks":["00"]}},"d":{"files":{"l":{"link":"a"}}}}}`), []byte("hello"))
	f.Add([]byte(`{"files":{"a":{"size":5,"unpacked":true,"x":[1,{"y":null}]}}}`), []byte{})
	f.Fuzz(func(t *testing.T, header, data []byte) {
		b := buildASAR(string(header), data)
		if !NewASAR().Match(artifactOf(b)) {
			return
		}
		s := newSink()
		found, err := NewASAR().Open(t.Context(), artifactOf(b), s)
		if err != nil && err != errSinkFull {
			t.Fatal(err)
		}
		for name, err := range s.broken {
			t.Fatalf("%q: %v", name, err)
		}
		for _, x := range found {
			if x.Code == "asar/malformed" && x.Status == verify.Invalid && len(s.order) > 0 {
				t.Fatalf("%d files of a malformed archive", len(s.order))
			}
		}
	})
}
