// Package catalog judges Windows catalogues (.cat): PKCS #7 signatures (RFC 2315) of a Certificate Trust List (wincrypt.h,
// CTL_INFO; mscat.h) whose members are the digests of files. A catalogue vouches for files that carry no signature of
// their own: drivers, their .inf files, scripts, all that Windows itself consists of.
//
//	member   a digest, what it is over (a program's image, a whole file), and the name that the publisher gave the file
//	tag      by which Windows looks a member up: the digest itself, or in version 1 its hexadecimal text
//
// What a catalogue lists is listed by digest alone; names in it are for people.
package catalog

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

const method = "authenticode"

// Verifier implements verify.Voucher and verify.Tapper.
type Verifier struct{}

// New returns a Verifier. The embedded roots apply where verify.Trust names none.
func New() *Verifier { return &Verifier{} }

// Method returns "authenticode".
func (*Verifier) Method() string { return method }

// headLen is how many first bytes of a catalogue tell what it is: its header and the beginning of the list.
const headLen = 256

// Match reports whether the content begins as a catalogue does, or the artifact is a driver or its description, beside
// which a catalogue may be published.
func (*Verifier) Match(a *verify.Artifact) bool {
	return isDriver(a) || hasHead(a)
}

// hasHead reports whether the content begins as a PKCS #7 signature of a catalogue's list.
func hasHead(a *verify.Artifact) bool {
	head := make([]byte, min(headLen, max(a.Size, 0)))
	if n, _ := a.Content.ReadAt(head, 0); n < len(head) || n == 0 {
		return false
	}
	at := 0
	for _, o := range []cms.OID{cms.OIDSignedData, oidTrustList, oidCatalogue} {
		i := bytes.Index(head[at:], append([]byte{6, byte(len(o))}, o...))
		if i < 0 {
			return false
		}
		at += i
	}
	return head[0] == 0x30
}

// Verify implements verify.Verifier. Of a catalogue it says who signed it and what it lists; of an unsigned driver,
// whether a catalogue beside it vouches for it, and nothing where there is none.
func (*Verifier) Verify(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	switch {
	case hasHead(a):
	case isDriver(a):
		return beside(ctx, a, env)
	default:
		return nil, nil
	}
	c, err := examine(ctx, a, env)
	if err != nil {
		return nil, err
	}
	return c.findings, nil
}

// catalogue is what was found out about one.
type catalogue struct {
	list     *trustList // nil if it cannot be read
	findings []verify.Finding
}

// examine judges a catalogue. An error is about reading it.
func examine(ctx context.Context, a *verify.Artifact, env verify.Env) (*catalogue, error) {
	if a.Size > cms.MaxSize {
		return &catalogue{findings: []verify.Finding{{Method: method, Status: verify.Invalid, Code: method + "/malformed",
			Detail: fmt.Sprintf("The catalogue has %d bytes, more than %d.", a.Size, cms.MaxSize)}}}, nil
	}
	b := make([]byte, a.Size)
	if _, err := io.ReadFull(io.NewSectionReader(a.Content, 0, a.Size), b); err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x := authenticode.New(method, "catalogue", env)
	der, rest, err := cms.ReadElement(b)
	if err != nil {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "malformed", Detail: authenticode.Unreadable("signature", err)})
		return &catalogue{findings: x.Findings()}, nil
	}
	var r reader
	x.Collect(der, "signature", r.bind)
	x.Judge(nil)
	if len(rest) > 0 {
		x.Remark(verify.Invalid, "trailing-data", "%d bytes follow the catalogue, from byte %d on; no signature covers them; they are %s.",
			len(rest), len(der), authenticode.Texture(rest))
	}
	if r.list != nil {
		r.describe(x, env)
	}
	return &catalogue{list: r.list, findings: x.Findings()}, nil
}

// reader reads the lists that signatures are of.
type reader struct {
	content []byte
	list    *trustList
	driver  bool // a signer's certificate is for drivers
}

// bind is an authenticode.Binding. All signatures of a catalogue must be of one list.
func (r *reader) bind(d *cms.SignedData) (authenticode.Signed, error) {
	if d.ContentType != oidTrustList || d.Octets || d.Content == nil {
		return authenticode.Signed{}, fmt.Errorf("it is of content of type %s, not of a list", d.ContentType)
	}
	switch {
	case r.content != nil && !bytes.Equal(r.content, d.Content):
		return authenticode.Signed{}, fmt.Errorf("it is of another list than the one before it")
	case r.content == nil:
		l, err := parseList(d.Content)
		if err != nil {
			return authenticode.Signed{}, err
		}
		r.content, r.list = d.Content, l
	}
	for _, s := range d.Signers {
		leaf := cms.FindSigner(s, d.Certificates)
		r.driver = r.driver || leaf != nil && forDrivers(leaf)
	}
	return authenticode.Signed{Inside: true}, nil
}

// Extended key usages of Microsoft's certificates for drivers (wincrypt.h): tested, attested by their makers, extended.
var driverUsages = []cms.OID{
	cms.NewOID(1, 3, 6, 1, 4, 1, 311, 10, 3, 5),
	cms.NewOID(1, 3, 6, 1, 4, 1, 311, 10, 3, 5, 1),
	cms.NewOID(1, 3, 6, 1, 4, 1, 311, 10, 3, 39),
}

func forDrivers(c *cms.Certificate) bool {
	for _, usage := range driverUsages {
		if c.Allows(usage) {
			return true
		}
	}
	return false
}

// describe says what the list is.
func (r *reader) describe(x *authenticode.Examination, env verify.Env) {
	counts := map[scope]int{}
	for _, m := range r.list.members {
		if m.sum == nil || bySize(len(m.sum)) != m.hash {
			counts[scopeOther]++
			continue
		}
		counts[m.scope]++
	}
	x.Remark(verify.Valid, "catalog-members", "The catalogue %x of version %d, of %s, lists %d members: %d programs, %d other files, %d that do not say which of both, and %d by digests that are not used here.",
		r.list.id, r.list.version, r.list.updated.UTC().Format("2006-01-02"), len(r.list.members),
		counts[scopeImage], counts[scopeFile], counts[scopeUnknown], counts[scopeOther])
	if !r.list.expires.IsZero() && env.At.After(r.list.expires) {
		x.Remark(verify.Untrusted, "expired", "The catalogue says of itself that it is to be used until %s only.", r.list.expires.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if r.driver {
		x.Remark(verify.Valid, "driver-catalog", "The signer's certificate is one for drivers: whoever signs with it has tested a driver or taken its maker's word, and did not make it.")
	}
}
