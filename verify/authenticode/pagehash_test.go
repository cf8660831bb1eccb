package authenticode

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/cryptotest"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// pageTable makes the page hashes of an image of BuildPE, which has one section and ends with it.
func pageTable(image []byte, h crypto.Hash) []byte {
	checksum, directory, end, _ := at.Offsets(image)
	headers := int(binary.LittleEndian.Uint32(image[checksum-4:]))
	var table []byte
	entry := func(at int, page []byte) {
		w := h.New()
		w.Write(page)
		table = append(binary.LittleEndian.AppendUint32(table, uint32(at)), w.Sum(nil)...)
	}
	first := append(bytes.Clone(image[:headers]), make([]byte, 4096-headers)...)
	entry(0, bytes.Join([][]byte{first[:checksum], first[checksum+4 : directory], first[directory+8:]}, nil))
	for at := headers; at < end; at += 4096 {
		page := make([]byte, 4096)
		copy(page, image[at:end])
		entry(at, page)
	}
	table = binary.LittleEndian.AppendUint32(table, uint32(end))
	return append(table, make([]byte, h.Size())...)
}

func TestPageHashes(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	image := at.Strip(at.BuildPE(at.Image{Size: 10_000}))
	good, old := pageTable(image, crypto.SHA256), pageTable(image, crypto.SHA1)
	change := func(table []byte, at int) []byte {
		out := bytes.Clone(table)
		out[at] ^= 1
		return out
	}
	overlap := bytes.Clone(image) // a section that reaches beyond the file
	binary.LittleEndian.PutUint32(overlap[bytes.Index(overlap, []byte(".text"))+16:], 1<<30)
	sign := func(image, link []byte) []byte {
		return at.Sign(image, at.Signature{Signer: w.vendor, Data: at.ImageData(link)})
	}
	pages := func(h crypto.Hash, table []byte) []byte { return sign(image, at.PageHashes(h, table)) }
	broken := at.PageHashes(crypto.SHA256, good)
	broken[len(broken)-len(good)-8] ^= 1
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"SHA-256":                        {pages(crypto.SHA256, good), want("valid:valid")},
		"SHA-1":                          {pages(crypto.SHA1, old), want("valid:valid")},
		"a digest of another page":       {pages(crypto.SHA256, change(good, 40)), want("valid:valid", "invalid:page-hash")},
		"an offset of another page":      {pages(crypto.SHA256, change(good, 36)), want("valid:valid", "invalid:page-hash")},
		"a digest at the end":            {pages(crypto.SHA256, change(good, len(good)-1)), want("valid:valid", "invalid:page-hash")},
		"a byte too many":                {pages(crypto.SHA256, append(bytes.Clone(good), 0)), want("valid:valid", "invalid:page-hash")},
		"one page short":                 {pages(crypto.SHA256, good[:len(good)-36]), want("valid:valid", "invalid:page-hash")},
		"none":                           {pages(crypto.SHA256, nil), want("valid:valid", "invalid:page-hash")},
		"SHA-1 said to be SHA-256":       {pages(crypto.SHA256, old), want("valid:valid", "invalid:page-hash")},
		"an object that cannot be read":  {sign(image, broken), want("valid:valid", "invalid:page-hash")},
		"an image without pages":         {sign(overlap, at.PageHashes(crypto.SHA256, good)), want("valid:valid", "inconclusive:page-hash")},
		"of a file that was changed":     {change(pages(crypto.SHA256, good), 2000), want("invalid:digest-mismatch")},
		"the same in two signatures":     {at.Sign(image, at.Signature{Signer: w.vendor, Data: at.ImageData(at.PageHashes(crypto.SHA256, good)), Nested: []at.Signature{{Signer: w.vendor, Hash: crypto.SHA384, Data: at.ImageData(at.PageHashes(crypto.SHA256, good))}}}), want("valid:valid", "valid:valid")},
		"something else of a large size": {sign(image, octetString(noise(500))), want("valid:valid", "valid:image-data")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Env: w.env, Want: c.want, Uncovered: checksum(c.data), Flips: 60})
	}
}

// TestRealPageHashes makes sure that the real programs with page hashes are among those whose pages were looked at.
func TestRealPageHashes(t *testing.T) {
	dir := samplesDir(t)
	for _, file := range []string{"saferwall/SgrmEnclave_secure.dll", "winappcli/winapp.exe"} {
		b, err := os.ReadFile(filepath.Join(dir, "authenticode-pe", file))
		if err != nil {
			t.Fatal(err)
		}
		l, err := pe.Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		entries, rest, err := pe.ReadTable(bytes.NewReader(b), l)
		if err != nil {
			t.Fatal(err)
		}
		x := examination{Examination: authenticode.New(method, "program", verify.Env{At: samplesAt}), seen: new([]imageData)}
		x.table(l, entries, rest)
		found, err := x.judge(t.Context(), artifactOf(b), l)
		if err != nil || !allValid(found) {
			t.Errorf("%s: %+v, %v", file, found, err)
		}
		if len(*x.seen) == 0 || (*x.seen)[0].pages == nil {
			t.Errorf("%s: no page hashes were found", file)
		}
	}
}

func allValid(found []verify.Finding) bool {
	for _, f := range found {
		if f.Status != verify.Valid {
			return false
		}
	}
	return len(found) > 0
}

// TestTapOfUnsignedPrograms compares the digests by which catalogues list programs with those computed from the file.
func TestTapOfUnsignedPrograms(t *testing.T) {
	w := newWorld()
	odd := append(at.BuildPE(at.Image{Size: 70_000}), 1, 2, 3)
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"unsigned":                  {at.BuildPE(at.Image{}), []string{tapName, tapNameSHA1}},
		"of no round size":          {odd, []string{tapName, tapNameSHA1}},
		"without a directory":       {at.BuildPE(at.Image{Directories: -1}), []string{tapName, tapNameSHA1}},
		"signed":                    {at.Sign(odd, at.Signature{Signer: w.vendor}), []string{tapName}},
		"signed, something follows": {append(at.Sign(odd, at.Signature{Signer: w.vendor}), 0), nil},
		"a DOS program":             {append([]byte("MZ"), make([]byte, 200)...), nil},
		"cut off":                   {at.BuildPE(at.Image{})[:200], nil},
	} {
		sums := map[string][]byte{}
		tap := New().Tap(c.data)
		for rest := c.data; len(rest) > 0; {
			n := min(len(rest), 777)
			tap.Write(rest[:n])
			rest = rest[n:]
		}
		tap.Sum(sums)
		if len(sums) != len(c.want) {
			t.Errorf("%s: %d digests, want %d", name, len(sums), len(c.want))
		}
		image := c.data
		if name != "signed" {
			image = append(bytes.Clone(image), make([]byte, (8-len(image)%8)%8)...)
		}
		for _, digest := range c.want {
			h := map[string]crypto.Hash{tapName: crypto.SHA256, tapNameSHA1: crypto.SHA1}[digest]
			want := at.PEDigest(image, h)
			if name == "without a directory" {
				want = digestWithout(image, h)
			}
			if !bytes.Equal(sums[digest], want) {
				t.Errorf("%s: %s is %x, want %x", name, digest, sums[digest], want)
			}
		}
	}
}

// digestWithout is the digest of an image that has no security directory.
func digestWithout(image []byte, h crypto.Hash) []byte {
	checksum, _, _, _ := at.Offsets(image)
	w := h.New()
	w.Write(image[:checksum])
	w.Write(image[checksum+4:])
	return w.Sum(nil)
}

// TestEachRegionOfRealPrograms changes one byte in each region of real programs.
func TestEachRegionOfRealPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: changes in each region of real programs are left out, they take some seconds")
	}
	dir := samplesDir(t)
	for _, s := range samples {
		b, err := os.ReadFile(filepath.Join(dir, "authenticode-pe", filepath.FromSlash(s.file)))
		if err != nil || len(b) > 600<<10 || s.want[0].Status != verify.Valid {
			continue
		}
		t.Run(s.file, func(t *testing.T) {
			field, directory, table, size := at.Offsets(b)
			der := b[table+8:]
			length := 4 + int(binary.BigEndian.Uint16(der[2:]))
			regions := []at.Region{{Name: "the DOS header", At: 40}, {Name: "the checksum", At: field, Uncovered: true}, {Name: "the security directory", At: directory},
				{Name: "the size of the table", At: directory + 5}, {Name: "the first section", At: 4096}, {Name: "the last byte before the table", At: table - 1},
				{Name: "the length of the entry", At: table + 1}, {Name: "the kind of the entry", At: table + 6}}
			if length+8 < size {
				regions = append(regions, at.Region{Name: "the alignment", At: table + 8 + length})
			}
			for _, r := range at.Regions(der[:length]) {
				r.At += table + 8
				regions = append(regions, r)
			}
			for _, r := range regions {
				changed := bytes.Clone(b)
				changed[r.At] ^= 1
				found, err := New().Verify(t.Context(), artifactOf(changed), verify.Env{At: samplesAt})
				if err != nil {
					t.Fatal(err)
				}
				if got := allValid(found) && found[0].Signer.Name == s.signer; got != r.Uncovered {
					t.Errorf("%s: byte %d changed: valid %v, want %v: %+v", r.Name, r.At, got, r.Uncovered, found)
				}
			}
		})
	}
}

// TestOsslsigncodeMakesPageHashes has osslsigncode sign a program with page hashes of each kind; and read those made here.
func TestOsslsigncodeMakesPageHashes(t *testing.T) {
	tool, err := exec.LookPath("osslsigncode")
	if err != nil {
		t.Skip("osslsigncode is not installed: its page hashes are left out")
	}
	w := newWorld()
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(w.vendor.Key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.vendor.Certificate.Raw})
	for _, c := range w.vendor.Chain {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	certFile := write("cert.pem", chain)
	roots := write("root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.root.Certificate.Raw}))
	image := at.Strip(at.BuildPE(at.Image{Size: 10_000}))
	unsigned := write("unsigned.exe", image)
	for _, hash := range []string{"sha1", "sha256"} {
		path := filepath.Join(dir, hash+".exe")
		if out, err := exec.CommandContext(t.Context(), tool, "sign", "-ph", "-h", hash, "-key", keyFile, "-certs", certFile, "-in", unsigned, "-out", path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte(classPageHashes)) {
			t.Fatal("osslsigncode made no page hashes")
		}
		found, err := New().Verify(t.Context(), artifactOf(b), w.env)
		if err != nil || hash == "sha256" && !allValid(found) || hash == "sha1" && (len(found) != 1 || found[0].Code != "authenticode/weak-digest") {
			t.Errorf("%s: %+v, %v", hash, found, err)
		}
	}
	for name, at := range map[string]int{"good": -1, "broken": 50} {
		table := pageTable(image, crypto.SHA256)
		if at >= 0 {
			table[at] ^= 1
		}
		out, err := exec.CommandContext(t.Context(), tool, "verify", "-CAfile", roots, "-in", write(name+".exe", signWithPages(image, w.vendor, table))).CombinedOutput()
		if matched := !bytes.Contains(out, []byte("MISMATCH")); matched != (at < 0) {
			t.Errorf("%s page hashes: osslsigncode finds that they match: %v, %v\n%s", name, matched, err, out)
		}
	}
}

func signWithPages(image []byte, by *at.Signer, table []byte) []byte {
	return at.Sign(image, at.Signature{Signer: by, Data: at.ImageData(at.PageHashes(crypto.SHA256, table))})
}
