package unpack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

// MSI opens packages, patches and transforms of Windows Installer: compound files ([MS-CFB]) whose streams are tables,
// cabinets, programs and scripts that run while something is installed, and pictures.
type MSI struct{}

// NewMSI returns an Opener for installers. Cabinets inside are offered as they are, with the names of their files.
func NewMSI() *MSI { return &MSI{} }

// Method returns "msi".
func (*MSI) Method() string { return "msi" }

// Match reports whether the content is an installer, or a compound file that cannot be read. Documents in the same
// container are neither.
func (*MSI) Match(a *verify.Artifact) bool {
	f, err := cfb.Open(a.Content, a.Size)
	switch {
	case errors.Is(err, cfb.ErrNotCompound):
		return false
	case errors.Is(err, cfb.ErrMalformed):
		return true
	case err != nil:
		return a.Format == "msi"
	}
	for _, e := range f.Root.Children {
		if msidb.SameName(e, msidb.Signature) || msidb.SameName(e, msidb.SignatureEx) {
			return true
		}
	}
	return msidb.IsInstaller(f)
}

// Open implements verify.Opener. Streams are offered under their unpacked names; those of a storage inside the
// installer under the storage's name and "/".
func (*MSI) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	f, err := cfb.Open(a.Content, a.Size)
	if errors.Is(err, cfb.ErrMalformed) || errors.Is(err, cfb.ErrNotCompound) {
		return []verify.Finding{{Method: "msi", Status: verify.Invalid, Code: "msi/malformed", Detail: fmt.Sprintf("The structure cannot be read: %s.", err)}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the structure: %w", err)
	}
	o := &msiOpening{ctx: ctx, file: f, inside: inside}
	err = o.storage(f.Root, "")
	return o.findings(), err
}

// msiOpening is one run of Open.
type msiOpening struct {
	ctx    context.Context
	file   *cfb.File
	inside verify.Inside
	found  []verify.Finding
	more   int // findings that were left out
}

const maxMSIFindings = 64

// say keeps a finding about the entry called subject.
func (o *msiOpening) say(status verify.Status, code, subject, format string, args ...any) {
	if len(o.found) == maxMSIFindings {
		o.more++
		return
	}
	o.found = append(o.found, verify.Finding{Subject: subject, Method: "msi", Status: status, Code: "msi/" + code, Detail: fmt.Sprintf(format, args...)})
}

// findings returns what is wrong with the installer. What was left out may have been of any kind.
func (o *msiOpening) findings() []verify.Finding {
	if o.more == 0 {
		return o.found
	}
	return append(o.found, verify.Finding{Method: "msi", Status: verify.Invalid, Code: "msi/malformed",
		Detail: fmt.Sprintf("There is more that is odd about the installer than is listed: %d findings were left out.", o.more)})
}

// storage offers what is in a storage, whose name is prefix, and in those inside it.
func (o *msiOpening) storage(s *cfb.Entry, prefix string) error {
	d, err := o.database(s, prefix)
	if err != nil {
		return err
	}
	if d != nil {
		if err := o.scripts(d, prefix); err != nil {
			return err
		}
	}
	for _, e := range s.Children {
		if err := o.ctx.Err(); err != nil {
			return err
		}
		if s.Kind == cfb.Root && msidb.IsSignature(e) {
			continue
		}
		if err := o.entry(e, prefix, d); err != nil {
			return err
		}
	}
	return nil
}

// entry offers one stream, or what is in one storage. Tables are not offered, as long as they are what they seem.
func (o *msiOpening) entry(e *cfb.Entry, prefix string, d *msiDatabase) error {
	name := msidb.DecodeName(e.Units)
	path := prefix + readable(name.Text)
	if name.Odd && e.Kind == cfb.Stream { // names of storages are never packed
		o.say(verify.Invalid, "odd-name", path, "The stream's name is not packed as Windows Installer packs it, so that it reads as %q and is not found under it.", name.Text)
	}
	if e.Kind == cfb.Storage {
		return o.storage(e, path+"/")
	}
	out := verify.Entry{Name: path, Size: e.Size, Content: o.file.Open(e)}
	if name.Table || name.Text == msidb.Summary {
		odd, err := o.oddTable(e, name, d)
		if err != nil || !odd {
			return err
		}
		return o.inside.Offer(out)
	}
	if d != nil {
		d.offered(o, name.Text, &out)
	}
	return o.inside.Offer(out)
}

// oddTable reports whether a stream that should be a table's has something else in it: no database lists it, or it
// begins as a file does that something could run or open.
func (o *msiOpening) oddTable(e *cfb.Entry, name msidb.StreamName, d *msiDatabase) (bool, error) {
	head := make([]byte, min(e.Size, verify.SniffLen))
	if n, err := o.file.Open(e).ReadAt(head, 0); n < len(head) {
		return false, fmt.Errorf("reading the stream %q: %w", name.Text, err)
	}
	f := verify.Sniff(head, "")
	unlisted := name.Table && d != nil && !msidb.Known(name.Text) && !d.Has(name.Text)
	return unlisted || f.Executable() || f.Container(), nil
}

// readable spells control characters in names as 7-Zip does: "[5]DigitalSignature".
func readable(name string) string {
	var out strings.Builder
	for _, r := range name {
		if r < ' ' {
			fmt.Fprintf(&out, "[%d]", r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
