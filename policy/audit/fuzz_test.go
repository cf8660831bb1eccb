package audit

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func FuzzDecodeLeaf(f *testing.F) {
	for _, r := range everyKind() {
		line, p, err := encodeLeaf(r)
		if err != nil {
			f.Fatal(err)
		}
		values, err := encodeLine(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line, values)
	}
	f.Add([]byte(`{"v":1,"kind":"x","id":"y","client":null,"Client":{"addr":{"c":null}}}`), []byte("   "))
	f.Fuzz(func(t *testing.T, line, values []byte) {
		l, err := decodeLeaf(line)
		if err != nil {
			return
		}
		p, err := decodePersonal(values)
		if err != nil {
			return
		}
		r := l.join(p)
		if c := r.Client; c != nil && c.Addr != "" && (p == nil || l.Client == nil || !p.Addr.fits(l.Client.Addr)) {
			t.Errorf("an address without a commitment to it: %q", c.Addr)
		}
		if _, err := encodeLine(r); err != nil {
			t.Errorf("a record that was read cannot be shown: %v", err)
		}
		csvRow(&r)
	})
}

func FuzzCheckpoint(f *testing.F) {
	private, _, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), "log.test")
	if err != nil {
		f.Fatal(err)
	}
	key, err := parseKey(private)
	if err != nil {
		f.Fatal(err)
	}
	tree, err := (&peaks{}).tree()
	if err != nil {
		f.Fatal(err)
	}
	signed, err := signCheckpoint(tree, key.signer)
	if err != nil {
		f.Fatal(err)
	}
	line, err := checkpointLine(signed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(line)
	f.Add([]byte("log.test\n1\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if inside, err := parseCheckpointLine(b); err == nil {
			openCheckpoint(inside, key.verifier)
		}
		if said, err := openCheckpoint(b, key.verifier); err == nil && said != tree {
			t.Errorf("an unsigned checkpoint was believed: %v", said)
		}
		if origin, tree, err := parseCheckpoint(string(b)); err == nil && (origin == "" || strings.Contains(origin, "\n") || tree.N < 0) {
			t.Errorf("read %q %v", origin, tree)
		}
	})
}

// FuzzSegment lets everything that reads a log read a file of records, one of personal values and one of hashes that
// anybody may have written.
func FuzzSegment(f *testing.F) {
	dir := sampleLog(f)
	parts := map[string][]byte{}
	for _, name := range []string{recordsName(0), personalName(0), hashesFile, keyFile, verifierFile} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		parts[name] = b
	}
	whole := parts[recordsName(0)]
	f.Add(whole, parts[personalName(0)], parts[hashesFile])
	f.Add(whole[:len(whole)-10], parts[personalName(0)][:99], parts[hashesFile][:99])
	f.Add([]byte("\n\n{\"checkpoint\":\"\"}\n"), []byte("\n"), []byte{})
	f.Fuzz(func(t *testing.T, records, personal, hashes []byte) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{
			recordsName(0): records, personalName(0): personal, hashesFile: hashes, keyFile: parts[keyFile], verifierFile: parts[verifierFile],
		} {
			writeTest(t, filepath.Join(dir, name), string(b))
		}
		before := verifyTest(t, dir, VerifyOptions{})
		walk(t.Context(), dir, position{}, 0, func(entry) error { return nil })
		List(t.Context(), dir, Filter{Limit: 5})
		Snapshot(dir)
		l, err := Open(dir, Options{})
		if err != nil {
			return
		}
		n, _ := l.Size()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if before.OK() && int64(n) != before.Records {
			t.Errorf("Verify found %d records, Open %d", before.Records, n)
		}
		after := verifyTest(t, dir, VerifyOptions{})
		for _, p := range after.Problems {
			if p.Fault != FaultPersonal {
				t.Errorf("opened a log that is not sound: %v", p)
			}
		}
	})
}
