package policy

import (
	"path"
	"regexp"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/internal/versions"
	"github.com/sallyport-project/sallyport/verify"
)

// Editions returns what an update is on each of the channels that judge it, in the order of the scope; none where it is metadata,
// and where no channel judges it. It is what history has to be looked up for before Decide.
func (p *Policy) Editions(r Request, u Update, rep verify.Report) []Edition {
	pl := p.plan(r)
	e := evidence{role: u.Role, format: u.Format, findings: rep.Findings, contents: rep.Contents}
	if pl.Refusal != nil || e.index() {
		return nil
	}
	var out []Edition
	for _, c := range pl.channels {
		ed := c.edition(r, u, rep)
		if len(out) > 0 {
			ed.Publishers, ed.Proofs = out[0].Publishers, out[0].Proofs
		} else {
			ed.Publishers, ed.Proofs = e.publishers(), e.proofs()
		}
		out = append(out, ed)
	}
	return out
}

// edition says which product and version an update is on the channel: by the channel's keys product and version, else by what the
// update's own bytes say, else by its name. What the bytes say is never joined with what is said elsewhere: whoever serves a
// signed file chooses its name, and must not choose its product by that.
func (c *channel) edition(r Request, u Update, rep verify.Report) Edition {
	ed := Edition{Channel: c.name}
	name := fileName(r, u)
	switch {
	case c.version != nil:
		ed.Product, ed.Version, ed.System = c.version.read(name, u.Name)
	case rep.Version != "":
		ed.Version, ed.System = rep.Version, rep.System
		if ed.System == "" {
			ed.System = "name"
		}
	default:
		if from, to, ok := versions.Find(name); ok {
			ed.Version, ed.System = name[from:to], "name"
		}
	}
	switch {
	case c.product != "":
		ed.Product = c.product
	case c.version != nil:
		// A name that the pattern does not fit may be of any of the products that its stars tell apart.
	case rep.Product != "":
		ed.Product = rep.Product + sideOf(rep.System)
	default:
		ed.Product = withoutVersion(name)
	}
	ed.Product = shortened(ed.Product)
	if len(ed.Version) > maxEvidence || printable.Text(ed.Version, 0) != ed.Version {
		ed.Version = ""
	}
	if ed.Version == "" {
		ed.System = ""
	}
	return ed
}

// fileName is the last part of the URL's path, which whoever asks has chosen, if that names an update; else the name that the file
// was given.
func fileName(r Request, u Update) string {
	if r.URL != nil {
		if base := path.Base(r.URL.Path); u.Name == "" || verify.Sniff(nil, base) != "" {
			return base
		}
	}
	return u.Name
}

// sideOf tells the packages of one product apart that are published side by side, by the system that their versions belong to:
// " [msi]" and " [pe]".
func sideOf(system string) string {
	if system == "" || system == "name" {
		return ""
	}
	return " [" + system + "]"
}

// numbers are what names differ in from release to release, but not in a word such as x64 or win32.
var numbers = regexp.MustCompile(`(^|[^a-z0-9])(v?)[0-9]+(?:[._]?[0-9]+)*|[0-9]+(?:\.[0-9]+)+`)

// withoutVersion is a file name with its version taken out, in lower case. Where it is not clear which of several numbers
// the version is, all go: else every release would be the first of a product of its own.
func withoutVersion(name string) string {
	if from, to, ok := versions.Find(name); ok {
		return strings.ToLower(name[:from]) + versionMark + strings.ToLower(name[to:])
	}
	return numbers.ReplaceAllString(strings.ToLower(name), "$1$2{number}")
}
