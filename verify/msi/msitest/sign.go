package msitest

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"slices"

	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

// subject is the GUID of Windows Installer's Subject Interface Package as it stands in signatures.
var subject = []byte("\xf1\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46")

// Sign returns an installer with a signature in DigitalSignature and the digest of its metadata in MsiDigitalSignatureEx.
// One that is signed already loses that signature first. Nested signatures must use the same hash function.
func Sign(file []byte, s at.Signature) []byte { return sign(file, s, true) }

// SignContent is Sign without MsiDigitalSignatureEx: the signature covers no metadata.
func SignContent(file []byte, s at.Signature) []byte { return sign(file, s, false) }

func sign(file []byte, s at.Signature, extended bool) []byte {
	version, root := Parse(file)
	root.Children = slices.DeleteFunc(root.Children, func(n *Node) bool { return n.Name == msidb.Signature || n.Name == msidb.SignatureEx })
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	metadata := Metadata(root, s.Hash)
	if !extended {
		metadata = nil
	}
	der := at.SignedData(nil, prepared(s, root, metadata))
	root.Children = append(root.Children, Stream(msidb.Signature, der))
	if extended {
		root.Children = append(root.Children, Stream(msidb.SignatureEx, metadata))
	}
	return WriteCompound(version, root)
}

// prepared fills in what a signature, and those nested in it, are of.
func prepared(s at.Signature, root *Node, metadata []byte) at.Signature {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	if s.Kind == "" {
		s.Kind = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 30)
	}
	if s.Data == nil {
		s.Data = at.SubjectInfo(subject)
	}
	if s.Digest == nil {
		s.Digest = Digest(root, s.Hash, metadata)
	}
	s.Nested = slices.Clone(s.Nested)
	for i := range s.Nested {
		s.Nested[i] = prepared(s.Nested[i], root, metadata)
	}
	return s
}

// Parse reads a compound file back into nodes, with its version.
func Parse(file []byte) (version int, root *Node) {
	f, err := cfb.Open(bytes.NewReader(file), int64(len(file)))
	check(err)
	return f.Version, node(f, f.Root)
}

func node(f *cfb.File, e *cfb.Entry) *Node {
	n := &Node{Name: e.Name(), Storage: e.Kind != cfb.Stream, CLSID: e.CLSID, State: e.State, Created: e.Created, Modified: e.Modified}
	for _, child := range e.Children {
		n.Children = append(n.Children, node(f, child))
	}
	if !n.Storage {
		n.Data = make([]byte, e.Size)
		if _, err := f.Open(e).ReadAt(n.Data, 0); err != nil && !errors.Is(err, io.EOF) {
			check(err)
		}
	}
	return n
}

// Digest returns what a signature of an installer without signature streams is of. metadata is hashed first.
func Digest(root *Node, h crypto.Hash, metadata []byte) []byte {
	w := h.New()
	w.Write(metadata)
	addContent(w, root)
	return w.Sum(nil)
}

func addContent(w hash.Hash, n *Node) {
	if !n.Storage {
		w.Write(n.Data)
		return
	}
	for _, child := range inOrder(n) {
		addContent(w, child)
	}
	w.Write(n.CLSID[:])
}

// Metadata returns what MsiDigitalSignatureEx holds of an installer without signature streams.
func Metadata(root *Node, h crypto.Hash) []byte {
	w := h.New()
	addMetadata(w, root, true)
	return w.Sum(nil)
}

func addMetadata(w hash.Hash, n *Node, isRoot bool) {
	if !isRoot {
		w.Write(nameBytes(n))
	}
	if n.Storage {
		w.Write(n.CLSID[:])
	} else {
		write(w, uint32(len(n.Data)))
	}
	write(w, n.State)
	if !isRoot {
		write(w, n.Created)
		write(w, n.Modified)
	}
	for _, child := range inOrder(n) {
		addMetadata(w, child, false)
	}
}

// inOrder returns a storage's nodes by the bytes of their names.
func inOrder(n *Node) []*Node {
	out := slices.Clone(n.Children)
	slices.SortFunc(out, func(a, b *Node) int { return bytes.Compare(nameBytes(a), nameBytes(b)) })
	return out
}

func nameBytes(n *Node) []byte {
	var b []byte
	for _, u := range units(n) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func write(w io.Writer, v any) { check(binary.Write(w, binary.LittleEndian, v)) }

func check(err error) {
	if err != nil {
		panic("msitest: " + err.Error())
	}
}
