package catalog

import (
	"context"
	"crypto"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Names of digests, as in verify.Digests.Taps.
const (
	fileSHA256  = "sha256"
	fileSHA1    = "sha1"
	imageSHA256 = "authenticode/sha256"
	imageSHA1   = "authenticode/sha1"
)

// Vouches implements verify.Voucher. A catalogue about which anything is Invalid, or that nobody trusted signed, vouches
// for nothing. Members by other digests than SHA-1 and SHA-256 of a file or a program's image are left out.
func (*Verifier) Vouches(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Vouch, error) {
	if !hasHead(a) {
		return nil, nil
	}
	c, err := examine(ctx, a, env)
	if err != nil {
		return nil, err
	}
	by, ok := c.signature()
	if !ok {
		return nil, nil
	}
	n := 0
	for _, m := range c.list.members {
		n += len(m.digests())
	}
	out := make([]verify.Vouch, 0, n)
	unnamed := map[crypto.Hash]verify.Finding{} // those without a name say the same
	for _, m := range c.list.members {
		f, ok := unnamed[m.hash]
		if !ok || m.file != nil {
			f = m.finding(by, a.Name)
		}
		if m.file == nil {
			unnamed[m.hash] = f
		}
		for _, digest := range m.digests() {
			out = append(out, verify.Vouch{Digest: digest, Sum: m.sum, Finding: f})
		}
	}
	return out, ctx.Err()
}

// signature returns the first finding about a signature that counts, and whether the catalogue vouches at all.
func (c *catalogue) signature() (by verify.Finding, ok bool) {
	for _, f := range c.findings {
		if f.Status == verify.Invalid || f.Status == verify.Untrusted && f.Signer.IsZero() {
			return verify.Finding{}, false
		}
		if f.Status == verify.Valid && !f.Signer.IsZero() && !ok {
			by, ok = f, true
		}
	}
	return by, ok && c.list != nil
}

// names are the digests' names by what a member's digest is over.
var names = map[crypto.Hash]map[scope][]string{
	crypto.SHA256: {scopeFile: {fileSHA256}, scopeImage: {imageSHA256}, scopeUnknown: {imageSHA256, fileSHA256}},
	crypto.SHA1:   {scopeFile: {fileSHA1}, scopeImage: {imageSHA1}, scopeUnknown: {imageSHA1, fileSHA1}},
}

// digests returns under which names a file's digest may be the member's; none if it is none that is computed.
func (m member) digests() []string { return names[m.hash][m.scope] }

// finding is what a file gets that is the member. by is about the catalogue's signature.
func (m member) finding(by verify.Finding, catalogue string) verify.Finding {
	f := verify.Finding{Method: method, Status: verify.Valid, Code: method + "/catalog",
		Signer: by.Signer, SignedAt: by.SignedAt, NotAfter: by.NotAfter}
	name := ""
	if n := text(m.file); n != "" {
		name = fmt.Sprintf(" as %q", n)
	}
	f.Detail = fmt.Sprintf("The catalogue %q, signed by %q, lists the file%s by its %s digest.", catalogue, by.Signer, name, cms.HashName(m.hash))
	if m.hash == crypto.SHA1 && (by.SignedAt.IsZero() || !by.SignedAt.Before(authenticode.SHA1End)) {
		f.Status, f.Code = verify.Untrusted, method+"/weak-digest"
		f.Detail += fmt.Sprintf(" No trusted timestamp proves that the catalogue is older than %s, since when SHA-1 is not believed.", authenticode.SHA1End.Format(time.DateOnly))
	}
	return f
}
