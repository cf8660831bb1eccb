package unpack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// AR opens ar archives: libraries of object files. Debian packages are Deb's.
type AR struct{}

// NewAR returns an opener of ar archives.
func NewAR() *AR { return &AR{} }

// Method returns "ar".
func (*AR) Method() string { return "ar" }

// Match reports whether a is an ar archive that is no Debian package.
func (*AR) Match(a *verify.Artifact) bool { return a.Format == "ar" }

// Open offers the archive's members, but for its tables of symbols and of names.
func (r *AR) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	members, err := readAR(ctx, a.Content, a.Size)
	if err, failed := arFailure(err); failed {
		return nil, err
	}
	for _, m := range members {
		if m.table {
			continue
		}
		if err := inside.Offer(verify.Entry{Name: m.name, Size: m.size, Content: io.NewSectionReader(a.Content, m.at, m.size)}); err != nil {
			return nil, err
		}
	}
	return unpackedSoFar(r.Method(), nil, err)
}

// arMember is one member: size bytes at an offset of the archive.
type arMember struct {
	name     string
	at, size int64
	table    bool // of symbols or names, which linkers read and nobody unpacks
}

const (
	arMagic    = "!<arch>\n"
	arHeader   = 60 // bytes before each member
	maxARCount = 100_000
	maxARNames = 16 << 20 // bytes of the table of long names
)

// arSymbols are BSD's names of tables of symbols.
var arSymbols = map[string]bool{"__.SYMDEF": true, "__.SYMDEF SORTED": true, "__.SYMDEF_64": true, "__.SYMDEF_64 SORTED": true}

func arBroken(format string, args ...any) error {
	return fmt.Errorf("the ar archive is broken: %s: %w", fmt.Sprintf(format, args...), verify.ErrBroken)
}

// arFailure returns err and true where it is ours.
func arFailure(err error) (error, bool) { return err, err != nil && streamProblem("", err) == nil }

// readAR lists the members in the first size bytes of r. An error that matches verify.ErrBroken is about the archive;
// the members before the broken place are returned with it.
func readAR(ctx context.Context, r io.ReaderAt, size int64) (members []arMember, err error) {
	var magic [len(arMagic)]byte
	if size < int64(len(magic)) {
		return nil, arBroken("it has %d bytes", size)
	}
	if err := readFull(r, magic[:], 0); err != nil {
		return nil, err
	}
	if string(magic[:]) != arMagic {
		return nil, arBroken("it does not begin like one")
	}
	var names []byte
	for at := int64(len(magic)); at < size; {
		if err := ctx.Err(); err != nil {
			return members, err
		}
		m, err := arMemberAt(r, at, size, names)
		if err != nil {
			return members, err
		}
		if m.name == "//" {
			if m.size > maxARNames {
				return members, arBroken("its table of names has %d bytes", m.size)
			}
			names = make([]byte, m.size)
			if err := readFull(r, names, m.at); err != nil {
				return members, err
			}
		}
		if members = append(members, m); len(members) > maxARCount {
			return members, arBroken("it has more than %d members", maxARCount)
		}
		at = m.at + m.size
		if at%2 == 1 { // a member is padded to an even offset, but the last one need not be
			at++
		}
	}
	return members, nil
}

func arMemberAt(r io.ReaderAt, at, size int64, names []byte) (m arMember, err error) {
	var h [arHeader]byte
	if size-at < arHeader {
		return m, arBroken("%d bytes follow its last member", size-at)
	}
	if err := readFull(r, h[:], at); err != nil {
		return m, err
	}
	if string(h[58:]) != "`\n" {
		return m, arBroken("no member begins at byte %d", at)
	}
	digits := strings.TrimRight(string(h[48:58]), " ")
	n, err := strconv.ParseUint(digits, 10, 62)
	if err != nil || int64(n) > size-at-arHeader {
		return m, arBroken("the member at byte %d has a size of %q, where %d bytes are left", at, digits, size-at-arHeader)
	}
	m = arMember{name: strings.TrimRight(string(h[:16]), " "), at: at + arHeader, size: int64(n)}
	return m, m.resolve(r, names)
}

// resolve finds the name where it is too long for the header: GNU's "/offset" into a table, BSD's "#1/length" in front
// of the content.
func (m *arMember) resolve(r io.ReaderAt, names []byte) error {
	switch {
	case m.name == "/" || m.name == "//" || m.name == "/SYM64/" || arSymbols[m.name]:
		m.table = true
	case strings.HasPrefix(m.name, "#1/"):
		n, err := strconv.ParseUint(m.name[3:], 10, 16)
		if err != nil || int64(n) > m.size {
			return arBroken("a member has the name %q", m.name)
		}
		b := make([]byte, n)
		if err := readFull(r, b, m.at); err != nil {
			return err
		}
		m.name = string(bytes.TrimRight(b, "\x00"))
		m.table = arSymbols[m.name]
		m.at, m.size = m.at+int64(n), m.size-int64(n)
	case strings.HasPrefix(m.name, "/"):
		at, err := strconv.ParseUint(m.name[1:], 10, 31)
		if err != nil || at >= uint64(len(names)) {
			return arBroken("a member has the name %q", m.name)
		}
		end := bytes.IndexAny(names[at:], "\n\x00")
		if end < 0 {
			end = len(names) - int(at)
		}
		m.name = strings.TrimSuffix(string(names[at:int(at)+end]), "/")
	default:
		m.name = strings.TrimSuffix(m.name, "/")
	}
	return nil
}
