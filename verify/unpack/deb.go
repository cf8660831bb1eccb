package unpack

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Deb opens Debian packages (deb(5), format 2.x).
type Deb struct{}

// NewDeb returns an opener of Debian packages.
func NewDeb() *Deb { return &Deb{} }

// Method returns "deb".
func (*Deb) Method() string { return "deb" }

// Match reports whether a is a Debian package.
func (*Deb) Match(a *verify.Artifact) bool { return a.Format == "deb" }

const (
	debVersion = "debian-binary"
	maxVersion = 64 // bytes of debian-binary
)

// Open offers the members of control.tar under "control/", those of data.tar under "data/", and whatever else there is
// under "extra/". As dpkg demands, debian-binary, control.tar and data.tar come in this order.
func (d *Deb) Open(ctx context.Context, a *verify.Artifact, inside verify.Inside) ([]verify.Finding, error) {
	members, err := readAR(ctx, a.Content, a.Size)
	if err, failed := arFailure(err); failed {
		return nil, err
	}
	w := &debWalk{ctx: ctx, artifact: a, inside: inside}
	for _, m := range members {
		if err := w.member(m); err != nil {
			return nil, err
		}
	}
	if err == nil && w.next < len(debParts) {
		w.say(verify.Invalid, "malformed", fmt.Sprintf("there is no member %s in its place", debParts[w.next]))
	}
	return unpackedSoFar(d.Method(), w.found, err)
}

// debParts are the members that a package must have, in their order.
var debParts = []string{debVersion, "control.tar", "data.tar"}

// debWalk is one package being walked over.
type debWalk struct {
	ctx      context.Context
	artifact *verify.Artifact
	inside   verify.Inside
	next     int // index of the part that has to follow
	found    []verify.Finding
}

func (w *debWalk) say(status verify.Status, code, detail string) {
	w.found = append(w.found, verify.Finding{Method: "deb", Status: status, Code: "deb/" + code, Detail: detail})
}

// debCompressions are those that dpkg reads, by the ending of a member's name.
var debCompressions = map[string]verify.Format{"": "", ".gz": "gzip", ".xz": "xz", ".zst": "zstd", ".bz2": "bzip2", ".lzma": "lzma"}

func (w *debWalk) member(m arMember) error {
	content := io.NewSectionReader(w.artifact.Content, m.at, m.size)
	if w.next == len(debParts) || !isDebPart(m.name, debParts[w.next]) {
		return w.extra(m, content)
	}
	part := debParts[w.next]
	w.next++
	if part == debVersion {
		return w.version(m, content)
	}
	compression, ok := debCompressions[strings.TrimPrefix(m.name, part)]
	if !ok {
		w.say(verify.Inconclusive, "not-looked-into", fmt.Sprintf("how %.40q is compressed is not known here", m.name))
		return nil
	}
	found, err := openTar(w.ctx, "deb", strings.TrimSuffix(part, ".tar")+"/", content, m.size, compression, w.inside)
	for _, f := range found {
		f.Subject = m.name
		w.found = append(w.found, f)
	}
	return err
}

func isDebPart(name, part string) bool {
	return name == part || part != debVersion && strings.HasPrefix(name, part+".") && path.Ext(name) == strings.TrimPrefix(name, part)
}

func (w *debWalk) version(m arMember, content *io.SectionReader) error {
	b := make([]byte, min(m.size, maxVersion))
	if err := readFull(content, b, 0); err != nil {
		return err
	}
	if line, _, ok := strings.Cut(string(b), "\n"); !ok || !strings.HasPrefix(line, "2.") || m.size > maxVersion {
		w.say(verify.Invalid, "malformed", fmt.Sprintf("its format is %.20q; 2.0 is the only one in use", b))
	}
	return nil
}

// extra offers a member that is no part of a package. dpkg passes over those whose names begin with "_", and over all
// that follow data.tar; any other it refuses.
func (w *debWalk) extra(m arMember, content *io.SectionReader) error {
	switch {
	case w.next < len(debParts) && !strings.HasPrefix(m.name, "_") || w.next == 0:
		w.say(verify.Invalid, "malformed", fmt.Sprintf("the member %.40q stands where %s has to", m.name, debParts[w.next]))
	case strings.HasPrefix(m.name, "_gpg"):
		w.say(verify.Valid, "signature-member", fmt.Sprintf("the member %.40q (%d bytes) is a signature that neither dpkg nor this program looks at", m.name, m.size))
	default:
		w.say(verify.Untrusted, "extra-member", fmt.Sprintf("dpkg passes over the member %.40q (%d bytes)", m.name, m.size))
	}
	return w.inside.Offer(verify.Entry{Name: "extra/" + m.name, Size: m.size, Content: content})
}
