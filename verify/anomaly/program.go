package anomaly

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/pe"
)

// Limits of the look at a program.
const (
	opaqueSize    = 64 << 10 // bytes; smaller parts are not looked at
	opaqueSample  = 1 << 20  // bytes of a part that are looked at
	opaqueEntropy = 7.95     // bits a byte; machine code has about 6.5, text 4.5, encrypted and compressed data 8
	maxResources  = 4096
	longAfter     = 3 * 365 * 24 * time.Hour // signing after linking
	clockSlack    = 48 * time.Hour           // between the clocks of whoever links and whoever signs
)

// program looks at a Windows program: what it says of itself, and what in it cannot be looked at.
func program(ctx context.Context, a *verify.Artifact, found []verify.Finding, at time.Time) (map[string]string, []verify.Finding, error) {
	if a.Format != "pe" {
		return nil, nil, nil
	}
	info, err := pe.ReadInfo(a.Content, a.Size)
	switch {
	case errors.Is(err, pe.ErrNotPE), errors.Is(err, pe.ErrMalformed):
		return nil, nil, nil // for those to say who judge its signature
	case err != nil:
		return nil, nil, err
	}
	var out []verify.Finding
	if f := linked(info, found, at); f != nil {
		out = append(out, *f)
	}
	opaque, err := opaqueParts(ctx, a, info)
	if err != nil {
		return nil, nil, err
	}
	facts, err := facts(a, info)
	return facts, append(out, opaque...), err
}

// linked compares the time at which a program was linked with the trusted time at which it was signed.
func linked(info *pe.Info, found []verify.Finding, at time.Time) *verify.Finding {
	stamp := time.Unix(int64(info.TimeDateStamp), 0).UTC()
	if info.Reproducible || info.TimeDateStamp == 0 || stamp.Year() < 1995 || stamp.After(at.Add(clockSlack)) {
		return nil // a hash, or nothing, in place of a time
	}
	for _, f := range found {
		if f.Method != "authenticode" || f.Status != verify.Valid || f.SignedAt.IsZero() {
			continue
		}
		var out verify.Finding
		switch signed := f.SignedAt.UTC(); {
		case signed.Add(clockSlack).Before(stamp):
			out = odd("", "signed-before-linked", "It says that it was linked at %s, and a trusted timestamp says that it was signed before, at %s.",
				stamp.Format(time.DateOnly), signed.Format(time.DateOnly))
		case signed.Sub(stamp) > longAfter:
			out = odd("", "signed-long-after", "It says that it was linked at %s; a trusted timestamp says that it was signed %d years later, at %s.",
				stamp.Format(time.DateOnly), int(signed.Sub(stamp).Hours()/24/365), signed.Format(time.DateOnly))
			out.Status = verify.Valid // publishers sign old libraries again, so this describes and no more
		default:
			continue
		}
		return &out
	}
	return nil
}

// opaqueParts looks for large parts that look encrypted where programs keep what they bring along: resources, and the
// overlay after the last section. What is of a known kind there is opened and looked at by others.
func opaqueParts(ctx context.Context, a *verify.Artifact, info *pe.Info) ([]verify.Finding, error) {
	var out []verify.Finding
	looked, left := map[[2]int64]bool{}, 2*a.Size // resources may share bytes; honest ones do not share many
	look := func(code, where string, offset, size int64) error {
		if size < opaqueSize || offset < 0 || offset+size > a.Size || looked[[2]int64{offset, size}] {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		looked[[2]int64{offset, size}] = true
		part := min(size, opaqueSample)
		if left < part {
			if left >= 0 {
				out = append(out, odd("", "overlapping-resources", "Its resources overlap so much that they have more bytes than the file twice over; not all of them were looked at."))
			}
			left = -1
			return nil
		}
		left -= part
		b := make([]byte, part)
		if n, err := a.Content.ReadAt(b, offset); n < len(b) {
			return err
		}
		if known(b) {
			return nil
		}
		if e := authenticode.Entropy(b); e > opaqueEntropy {
			out = append(out, odd("", code, "%s of %d bytes is like random (%.2f bits a byte), as what is encrypted is, and begins like nothing that is known here.", where, size, e))
		}
		return nil
	}
	overlayEnd := a.Size
	if layout, err := pe.Parse(a.Content, a.Size); err == nil && layout.Signed() {
		overlayEnd = min(overlayEnd, layout.Table)
	}
	if err := look("opaque-overlay", "The data after the program's last section", info.OverlayAt, overlayEnd-info.OverlayAt); err != nil {
		return nil, err
	}
	resources, err := info.Resources(a.Content)
	if errors.Is(err, pe.ErrMalformed) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, r := range resources[:min(len(resources), maxResources)] {
		if err := look("opaque-resource", "The resource "+strings.Join([]string{r.Type, r.Name, r.Language}, "/"), r.Offset, r.Size); err != nil {
			return nil, err
		}
	}
	return said(out, "opaque-resource"), nil
}

// known reports whether data begins like a kind of file that is compressed by nature, or that is opened here.
func known(b []byte) bool {
	if verify.Sniff(b, "") != "" {
		return true
	}
	for _, magic := range []string{
		"\x89PNG", "\xff\xd8\xff", "GIF8", "RIFF", "OggS", "ID3", "fLaC", "wOFF", "wOF2", "%PDF", "\x00\x00\x01\x00", "\x78\x9c", "\x78\xda", "\x78\x01",
		"\x5d\x00\x00", "LZMA", "\xef\xbe\xad\xdeNullsoftInst", "zlb\x1a", "idska32\x1a", "rDlPtS", "PAK\x00", "MSCF", "\x04\x22\x4d\x18", "\x00\x00\x00\x18ftyp", "\x00\x00\x00 ftyp",
	} {
		if strings.HasPrefix(string(b[:min(len(b), 32)]), magic) {
			return true
		}
	}
	// NSIS puts flags before its mark, and Chromium's and Go's installers pack with LZMA behind a short header.
	return strings.Contains(string(b[:min(len(b), 64)]), "NullsoftInst") || strings.Contains(string(b[:min(len(b), 64)]), "Inno Setup")
}

// facts returns what a program's version resource says of it.
func facts(a *verify.Artifact, info *pe.Info) (map[string]string, error) {
	v, err := info.Version(a.Content)
	if errors.Is(err, pe.ErrMalformed) || errors.Is(err, pe.ErrNoVersion) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return short(map[string]string{"company": v.CompanyName, "product": v.ProductName, "version": v.ProductVersion, "file_version": v.FileVersion}), nil
}
