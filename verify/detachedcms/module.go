package detachedcms

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// A signed kernel module ends in: the signature, a struct module_signature, the mark.
const (
	moduleMark    = "~Module signature appended~\n"
	moduleTrailer = 12 // bytes of struct module_signature
	modulePKCS7   = 2  // its id_type for a CMS signature, the only one that Linux still takes
	maxModuleCMS  = 1 << 20
)

// hasModuleMark reports whether a ends as signed kernel modules do.
func hasModuleMark(a *verify.Artifact) bool {
	if a.Format != "elf" || a.Size < int64(len(moduleMark)+moduleTrailer) {
		return false
	}
	tail := make([]byte, len(moduleMark))
	_, err := a.Content.ReadAt(tail, a.Size-int64(len(tail)))
	return (err == nil || err == io.EOF) && string(tail) == moduleMark
}

// module judges the signature at the end of a kernel module. It covers everything before itself; what is behind it,
// and what is in it unsigned, must be just what Linux wants there.
func (x *examination) module(ctx context.Context, a *verify.Artifact) error {
	x.label, x.evidence = "signature at the end of the module", nil
	der, problem, err := readModule(a)
	if err != nil {
		return err
	}
	if problem != "" {
		x.say(verify.Invalid, "malformed", "The %s cannot be read: %s.", x.label, problem)
		return nil
	}
	d, err := cms.ParseContentInfo(der)
	if err != nil {
		x.say(verify.Invalid, "malformed", "The %s cannot be read: %s.", x.label, err)
		return nil
	}
	x.appended = true
	defer func() { x.appended = false }()
	covered := a.Size - int64(len(moduleMark)+moduleTrailer+len(der))
	return x.judge(ctx, d, io.NewSectionReader(a.Content, 0, covered))
}

// readModule returns the signature of a module, or what is wrong with the structure around it.
func readModule(a *verify.Artifact) (der []byte, problem string, err error) {
	end := a.Size - int64(len(moduleMark)+moduleTrailer)
	var t [moduleTrailer]byte
	if _, err := io.ReadFull(io.NewSectionReader(a.Content, end, moduleTrailer), t[:]); err != nil {
		return nil, "", fmt.Errorf("reading module signature: %w", err)
	}
	size := int64(binary.BigEndian.Uint32(t[8:]))
	switch {
	case t[2] != modulePKCS7:
		return nil, fmt.Sprintf("it is of type %d, which Linux takes no more", t[2]), nil
	case t[0] != 0 || t[1] != 0 || t[3] != 0 || t[4] != 0 || t[5] != 0 || t[6] != 0 || t[7] != 0:
		return nil, "fields that must be zero are not", nil
	case size == 0 || size > end || size > maxModuleCMS:
		return nil, fmt.Sprintf("it claims %d bytes, of %d that there are", size, end), nil
	}
	der = make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(a.Content, end-size, size), der); err != nil {
		return nil, "", fmt.Errorf("reading module signature: %w", err)
	}
	return der, "", nil
}
