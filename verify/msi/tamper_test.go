package msi

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"testing/cryptotest"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// signedSample is a signed installer taken apart: tests change it and put it together again.
func signedSample(w *world, extended bool) *msitest.Node {
	file := msitest.SignContent(sample(false), at.Signature{Signer: w.vendor})
	if extended {
		file = msitest.Sign(sample(false), at.Signature{Signer: w.vendor})
	}
	_, root := msitest.Parse(file)
	return root
}

func find(n *msitest.Node, name string) *msitest.Node {
	for _, c := range n.Children {
		if c.Name == name || msidb.DecodeName(units(c.Name)).Text == name {
			return c
		}
	}
	return nil
}

func units(s string) []uint16 {
	var out []uint16
	for _, r := range s {
		out = append(out, uint16(r))
	}
	return out
}

// TestTamperedTree changes what the directory holds, one thing at a time.
func TestTamperedTree(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	mismatch := want("invalid:digest-mismatch")
	metadata := want("invalid:digest-mismatch", "invalid:metadata-mismatch")
	none := func(first ...string) []verifytest.Want { return want(append(first, "valid:no-metadata-digest")...) }
	for name, c := range map[string]struct {
		change         func(root *msitest.Node)
		extended, bare []verifytest.Want
	}{
		"a byte of a stream":              {func(r *msitest.Node) { find(r, "disk1.cab").Data[77] ^= 1 }, mismatch, none("invalid:digest-mismatch")},
		"a stream longer":                 {func(r *msitest.Node) { c := find(r, "disk1.cab"); c.Data = append(c.Data, 0) }, metadata, none("invalid:digest-mismatch")},
		"another stream":                  {func(r *msitest.Node) { r.Children = append(r.Children, msitest.Stream("New", noise(5000, 9))) }, metadata, none("invalid:digest-mismatch")},
		"the class of the root":           {func(r *msitest.Node) { r.CLSID = msidb.ClassPatch }, metadata, none("invalid:digest-mismatch")},
		"the class of a storage":          {func(r *msitest.Node) { find(r, "Folder").CLSID[3]++ }, metadata, none("invalid:digest-mismatch")},
		"an empty stream more":            {func(r *msitest.Node) { r.Children = append(r.Children, msitest.Stream("New", nil)) }, metadata, none("valid:valid")},
		"a stream's name":                 {func(r *msitest.Node) { find(r, "Empty").Name = "Emptied" }, metadata, none("valid:valid")},
		"state bits":                      {func(r *msitest.Node) { find(r, "Folder").State++ }, metadata, none("valid:valid")},
		"times":                           {func(r *msitest.Node) { find(r, "Folder").Modified++ }, metadata, none("valid:valid")},
		"bytes moved between two streams": {moveBytes, metadata, none("valid:valid")},
		"bytes behind the signature": {func(r *msitest.Node) { c := find(r, msidb.Signature); c.Data = append(c.Data, noise(300, 1)...) },
			want("valid:valid", "invalid:padding-data"), want("valid:valid", "invalid:padding-data", "valid:no-metadata-digest")},
		"a zero behind the signature": {func(r *msitest.Node) { c := find(r, msidb.Signature); c.Data = append(c.Data, 0) },
			want("valid:valid", "invalid:padding-data"), want("valid:valid", "invalid:padding-data", "valid:no-metadata-digest")},
		"the signature's name in other letters": {func(r *msitest.Node) { find(r, msidb.Signature).Name = "\x05digitalsignature" }, want("invalid:malformed"), want("invalid:malformed")},
		"a storage for a signature":             {func(r *msitest.Node) { find(r, msidb.Signature).Storage = true }, want("invalid:malformed"), want("invalid:malformed")},
		"an empty signature":                    {func(r *msitest.Node) { find(r, msidb.Signature).Data = nil }, want("invalid:malformed"), none("invalid:malformed")},
		"no signature": {func(r *msitest.Node) {
			r.Children = slices.DeleteFunc(r.Children, func(n *msitest.Node) bool { return n.Name == msidb.Signature })
		}, want("absent:unsigned"), want("absent:unsigned")},
		"no metadata digest": {func(r *msitest.Node) {
			r.Children = slices.DeleteFunc(r.Children, func(n *msitest.Node) bool { return n.Name == msidb.SignatureEx })
		}, none("invalid:digest-mismatch"), none("valid:valid")},
		"a longer metadata digest": {func(r *msitest.Node) {
			if c := find(r, msidb.SignatureEx); c != nil {
				c.Data = append(c.Data, 1)
			}
		}, want("valid:valid", "invalid:metadata-mismatch"), none("valid:valid")},
		"a signature inside a storage": {func(r *msitest.Node) {
			f := find(r, "Folder")
			f.Children = append(f.Children, msitest.Stream(msidb.Signature, noise(10, 1)))
		}, metadata, none("invalid:digest-mismatch")},
	} {
		for kind, expected := range map[string][]verifytest.Want{"with": c.extended, "without": c.bare} {
			root := signedSample(w, kind == "with")
			c.change(root)
			verifytest.Run(t, New(), verifytest.Case{Name: name + ", " + kind + " metadata digest", Data: msitest.WriteCompound(3, root), Env: w.env, Want: expected, Flips: -1})
		}
	}
}

// moveBytes moves the last byte of a stream to the beginning of the one that is hashed after it.
func moveBytes(root *msitest.Node) {
	all := slices.Clone(root.Children)
	all = slices.DeleteFunc(all, func(n *msitest.Node) bool { return n.Storage || n.Name[0] == 5 || len(n.Data) < 2 })
	slices.SortFunc(all, func(a, b *msitest.Node) int { return bytes.Compare(nameBytes(a.Name), nameBytes(b.Name)) })
	from, to := all[0], all[1]
	last := len(from.Data) - 1
	to.Data = append([]byte{from.Data[last]}, to.Data...)
	from.Data = from.Data[:last]
}

func nameBytes(s string) []byte {
	var b []byte
	for _, u := range units(s) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// TestTamperedFile changes what lies between and behind the streams.
func TestTamperedFile(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	good := msitest.Sign(sample(false), at.Signature{Signer: w.vendor})
	jar := append([]byte("PK\x03\x04"), append(noise(900, 5), "PK\x05\x06\x00\x00"...)...)
	valid := func(more string) []verifytest.Want { return want("valid:valid", more) }
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"a JAR behind the last sector":   {append(bytes.Clone(good), jar...), valid("invalid:trailing-data")},
		"a MiB behind the last sector":   {append(bytes.Clone(good), noise(1<<20, 1)...), valid("invalid:trailing-data")},
		"one byte behind it":             {append(bytes.Clone(good), 1), valid("invalid:trailing-data")},
		"zeros behind it":                {append(bytes.Clone(good), make([]byte, 700)...), want("valid:valid")},
		"a tag behind it":                {append(bytes.Clone(good), "Gact2.0Omaha\x00\x03a=b"...), valid("valid:omaha-tag")},
		"noise in a free sector":         {withFreeSector(good, noise(512, 6)), valid("invalid:hidden-data")},
		"a copy in a free sector":        {withFreeSector(good, noise(10_000, 1)[1000:1512]), valid("valid:stale-data")},
		"a free sector of zeros":         {withFreeSector(good, make([]byte, 512)), want("valid:valid")},
		"noise in the slack of a stream": {inSlack(good, "disk1.cab", noise(40, 7)), valid("invalid:hidden-data")},
		"a copy in the slack":            {inSlack(good, "disk1.cab", noise(10_000, 1)[2000:2040]), valid("valid:stale-data")},
		"noise in the slack of a small":  {inSlack(good, "Binary.Helper", noise(40, 7)), valid("invalid:hidden-data")},
		"noise in the mini stream":       {inSlack(good, "", noise(40, 7)), valid("invalid:hidden-data")},
		"noise in the header":            {patched(good, 34, 1, 2, 3), valid("invalid:hidden-data")},
		"noise behind a name":            {patched(good, entryOf(good, "Empty")+40, 1, 2, 3), valid("invalid:hidden-data")},
		"noise in an unused entry":       {patched(good, unusedEntry(good)+4, 1, 2, 3), valid("invalid:hidden-data")},
		"an upper half of a size":        {patched(good, entryOf(good, "Empty")+124, 1), valid("invalid:hidden-data")},
		"the last byte missing":          {good[:len(good)-1], want("invalid:malformed")},
		"the last sectors missing":       {good[:len(good)-1024], want("invalid:malformed")},
		"half of it missing":             {good[:len(good)/2], want("invalid:malformed")},
		"only a header":                  {good[:512], want("invalid:malformed")},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Env: w.env, Want: c.want, Flips: -1})
	}
}

func open(file []byte) *cfb.File {
	f, err := cfb.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		panic(err)
	}
	return f
}

func patched(file []byte, offset int64, with ...byte) []byte {
	out := bytes.Clone(file)
	copy(out[offset:], with)
	return out
}

// withFreeSector puts a sector that nobody uses before the last one, which is the FAT's.
func withFreeSector(file, content []byte) []byte {
	le := binary.LittleEndian
	last := open(file).Sectors() - 1
	fat := bytes.Clone(file[(last+1)*512:])
	le.PutUint32(fat[4*last:], 0xffffffff)
	le.PutUint32(fat[4*(last+1):], 0xfffffffd)
	out := append(append(bytes.Clone(file[:(last+1)*512]), content...), fat...)
	le.PutUint32(out[76:], uint32(last+1))
	return out
}

// inSlack puts bytes behind the end of a stream; of the mini stream if no name is given.
func inSlack(file []byte, name string, content []byte) []byte {
	f := open(file)
	for _, e := range f.Entries {
		if offset, n := f.Slack(e); msidb.DecodeName(e.Units).Text == name || name == "" && e.Kind == cfb.Root {
			if n < int64(len(content)) {
				panic("no room")
			}
			return patched(file, offset, content...)
		}
	}
	panic("no such stream")
}

// entryOf returns where the directory entry of a stream lies, and unusedEntry where an unused one does.
func entryOf(file []byte, name string) int64 {
	f := open(file)
	at := slices.IndexFunc(f.Entries, func(e *cfb.Entry) bool { return e.Name() == name })
	return directory(f) + int64(f.Entries[at].Number)*128
}

func unusedEntry(file []byte) int64 {
	f := open(file)
	if len(f.Entries)%4 == 0 {
		panic("no unused entry")
	}
	return directory(f) + int64(len(f.Entries))*128
}

func directory(f *cfb.File) int64 {
	for n := range f.Sectors() {
		if f.Owner(n) == "the directory" {
			return int64(n+1) * 512
		}
	}
	panic("no directory")
}

// TestDetailNamesTheArchive looks at the sentence about what follows an installer.
func TestDetailNamesTheArchive(t *testing.T) {
	w := newWorld()
	file := append(msitest.Sign(sample(false), at.Signature{Signer: w.vendor}), noise(100_000, 3)...)
	file = append(file, "PK\x05\x06\x00\x00\x00\x00"...)
	found, err := New().Verify(t.Context(), &verify.Artifact{Size: int64(len(file)), Content: bytes.NewReader(file)}, w.env)
	if err != nil {
		t.Fatal(err)
	}
	if d := found[len(found)-1].Detail; !bytes.Contains([]byte(d), []byte("zip file or Java archive")) || !bytes.Contains([]byte(d), []byte("100008 bytes")) {
		t.Errorf("detail = %q", d)
	}
}
