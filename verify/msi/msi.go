// Package msi judges Authenticode signatures of Windows Installer's packages, patches and transforms (.msi, .msp, .mst),
// which are compound files ([MS-CFB]) with the signature in a stream of its own.
//
// Microsoft publishes no specification of the digest. What is known of it is what signtool, osslsigncode and jsign
// agree on: the streams' bytes in the order of their names, then the class of the storage; and, where the stream
// MsiDigitalSignatureEx is there, before all of it a digest of names, sizes, classes, state bits and times.
package msi

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

const (
	method       = "authenticode"
	maxSignature = 16 << 20 // bytes of the signature stream
)

// Verifier implements verify.Verifier.
type Verifier struct{}

// New returns a Verifier. The embedded roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "authenticode".
func (*Verifier) Method() string { return method }

// Match reports whether the content is a compound file that Windows Installer could take, or that carries an
// installer's signature, or that cannot be read. Documents in the same container are none of these.
func (*Verifier) Match(a *verify.Artifact) bool {
	f, err := cfb.Open(a.Content, a.Size)
	switch {
	case errors.Is(err, cfb.ErrNotCompound):
		return false
	case errors.Is(err, cfb.ErrMalformed):
		return true
	case err != nil:
		return a.Format == "msi"
	}
	if s, err := findSignature(f); err != nil || s.signature != nil || s.metadata != nil {
		return true
	}
	return msidb.IsInstaller(f)
}

// Verify implements verify.Verifier. The first findings are about the signatures, those about what they do not cover
// follow.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	f, err := cfb.Open(a.Content, a.Size)
	switch {
	case errors.Is(err, cfb.ErrMalformed), errors.Is(err, cfb.ErrNotCompound):
		return one(verify.Invalid, "malformed", authenticode.Unreadable("structure of the installer", err)), nil
	case err != nil:
		return nil, fmt.Errorf("reading the structure: %w", err)
	}
	s, err := findSignature(f)
	if err != nil {
		return one(verify.Invalid, "malformed", authenticode.Unreadable("signature", err)), nil
	}
	if s.signature == nil {
		return one(verify.Absent, "unsigned", "The installer carries no Authenticode signature."), nil
	}
	x := &examination{authenticode.New(method, "installer", env), f, s}
	if err := x.signature(); err != nil {
		return nil, err
	}
	sums, err := x.digests(ctx)
	if err != nil {
		return nil, fmt.Errorf("hashing the streams: %w", err)
	}
	x.Judge(sums)
	if err := x.uncovered(ctx); err != nil {
		return nil, err
	}
	return x.Findings(), nil
}

// one returns a single finding without a signer.
func one(status verify.Status, code, detail string) []verify.Finding {
	return []verify.Finding{{Method: method, Status: status, Code: method + "/" + code, Detail: detail}}
}

// signed is where an installer keeps its signature; nil where it has none.
type signed struct{ signature, metadata *cfb.Entry }

// findSignature looks for the signature's streams in the root. An entry that Windows, for which names have no case,
// would take for one of them, and others would not, is an error.
func findSignature(f *cfb.File) (signed, error) {
	var s signed
	for _, e := range f.Root.Children {
		for name, to := range map[string]**cfb.Entry{msidb.Signature: &s.signature, msidb.SignatureEx: &s.metadata} {
			if !msidb.SameName(e, name) {
				continue
			}
			if e.Name() != name || e.Kind != cfb.Stream {
				return signed{}, fmt.Errorf("directory entry %d, %q, is not what its name says", e.Number, e.Name())
			}
			*to = e
		}
	}
	return s, nil
}

// examination is one run of Verify over one installer.
type examination struct {
	*authenticode.Examination
	file *cfb.File
	at   signed
}

// signature collects the signatures of the stream and accounts for its other bytes.
func (x *examination) signature() error {
	c := x.file.Open(x.at.signature)
	if c.Size() > maxSignature {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed",
			Detail: fmt.Sprintf("The signature has %d bytes, more than %d.", c.Size(), maxSignature)})
		return nil
	}
	b := make([]byte, c.Size())
	if n, err := c.ReadAt(b, 0); n < len(b) {
		return fmt.Errorf("reading the signature: %w", err)
	}
	der, after, err := cms.ReadElement(b)
	if err != nil {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed", Detail: authenticode.Unreadable("signature", err)})
		return nil
	}
	x.Collect(der, "signature", installers)
	if len(after) > 0 && !x.KnownTag(after, "after the signature, in its stream") {
		x.Remark(verify.Invalid, "padding-data", "%d bytes follow the signature inside its stream, where nothing belongs; no signature covers them (as in CVE-2013-3900); they are %s.",
			len(after), authenticode.Texture(after))
	}
	return nil
}

// sipInfo is the kind of what is signed, SPC_SIPINFO_OBJID, and its value: SpcSipInfo with the identifier of Windows
// Installer's subject interface package, {000C10F1-0000-0000-C000-000000000046}, and five reserved zeros. Before them
// stands a version: old versions of signtool write 2, other tools 1.
var (
	sipInfo      = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 2, 1, 30)
	sipInstaller = []byte("\x04\x10\xf1\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46" +
		"\x02\x01\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00")
)

func isInstaller(value []byte) bool {
	rest, ok := bytes.CutPrefix(value, []byte("\x30\x24\x02\x01"))
	return ok && len(rest) > 0 && (rest[0] == 1 || rest[0] == 2) && bytes.Equal(rest[1:], sipInstaller)
}

// installers is what a signature in an installer is of.
func installers(d *cms.SignedData) (authenticode.Signed, error) {
	s, err := authenticode.Indirect(sipInfo)(d)
	if err != nil {
		return authenticode.Signed{}, err
	}
	data, err := cms.ParseIndirectData(d)
	if err != nil {
		return authenticode.Signed{}, err
	}
	if !isInstaller(data.Value) {
		return authenticode.Signed{}, errors.New("it is a signature of something else than an installer")
	}
	return s, nil
}

// digests computes what the signatures are of, for each hash function that they use.
func (x *examination) digests(ctx context.Context) (map[crypto.Hash][]byte, error) {
	functions := x.Hashes()
	d := newDigester(ctx, x.file, functions)
	if x.at.metadata != nil {
		if err := x.metadata(d); err != nil {
			return nil, err
		}
	}
	return d.sums()
}

// metadata has the digest begin with the digest of the metadata, as computed, and compares the one in the file.
func (x *examination) metadata(d *digester) error {
	c := x.file.Open(x.at.metadata)
	stored := make([]byte, min(c.Size(), 65))
	if n, err := c.ReadAt(stored, 0); n < len(stored) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the digest of the metadata: %w", err)
	}
	for _, h := range x.Hashes() {
		sum := metadataDigest(x.file, h)
		if !bytes.Equal(sum, stored) {
			x.Remark(verify.Invalid, "metadata-mismatch", "The names, sizes or times of streams are not those that were signed: their %s digest is %x, the file says %x in %d bytes.",
				cms.HashName(h), sum, stored, c.Size())
		}
		d.begin(h, sum)
	}
	return nil
}
