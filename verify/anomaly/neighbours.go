package anomaly

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// maxSaid bounds how many findings of one code are made about one update; the last one counts the rest.
const maxSaid = 20

// pkg is everything inside an update, by what is said of each file.
type pkg struct {
	outer   *verify.Artifact
	report  *verify.Report
	signers map[string]string // by path: who vouches for the file
	wrong   map[string]bool
}

func newPackage(a *verify.Artifact, r *verify.Report) *pkg {
	p := &pkg{outer: a, report: r, signers: map[string]string{}, wrong: map[string]bool{}}
	for i := range r.Findings {
		f := &r.Findings[i]
		switch {
		case f.Status == verify.Invalid:
			p.wrong[f.Subject] = true
		case f.Status == verify.Valid && !f.Signer.IsZero() && p.signers[f.Subject] == "":
			p.signers[f.Subject] = publisher(f.Signer)
		case f.Status == verify.Valid && len(f.Anchors) > 0 && p.signers[f.Subject] == "":
			p.signers[f.Subject] = f.Anchors[0]
		}
	}
	return p
}

func publisher(id verify.Identity) string {
	if id.Organization != "" {
		return id.Organization
	}
	return id.String()
}

// folder is the programs that lie side by side.
type folder struct {
	signed, unsigned []int // places in Inner
}

// neighbours looks for libraries beside programs that somebody signed: those that nobody did, and those that somebody
// else did, which is usual and worth knowing. A system looks for a program's libraries in the program's own folder first.
func (p *pkg) neighbours() []verify.Finding {
	var unsigned, foreign []verify.Finding
	folders := map[string]*folder{}
	var order []string
	inner := p.report.Contents.Inner
	for i := range inner {
		if inner[i].Format != "pe" {
			continue
		}
		dir := path.Dir(inner[i].Path)
		f := folders[dir]
		if f == nil {
			f = &folder{}
			folders[dir], order = f, append(order, dir)
		}
		if p.signers[inner[i].Path] != "" {
			f.signed = append(f.signed, i)
		} else {
			f.unsigned = append(f.unsigned, i)
		}
	}
	for _, dir := range order {
		f := folders[dir]
		at := slices.IndexFunc(f.signed, func(i int) bool { return !library(inner[i].Path) })
		if at < 0 {
			continue
		}
		program := inner[f.signed[at]].Path
		by := p.signers[program]
		for _, i := range f.unsigned {
			if library(inner[i].Path) {
				unsigned = append(unsigned, odd(inner[i].Path, "unsigned-neighbour", "Nobody signed this library, and it lies beside %s, which %q signed and which would load it.",
					path.Base(program), by))
			}
		}
		for _, i := range f.signed {
			if who := p.signers[inner[i].Path]; library(inner[i].Path) && normal(who) != normal(by) {
				note := odd(inner[i].Path, "foreign-neighbour", "%q signed this library, and %q the program %s beside it.", who, by, path.Base(program))
				note.Status = verify.Valid
				foreign = append(foreign, note)
			}
		}
	}
	return append(said(unsigned, "unsigned-neighbour"), said(foreign, "foreign-neighbour")...)
}

// library reports whether a file is called what libraries of Windows are called.
func library(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".dll", ".ocx", ".cpl", ".drv", ".node", ".ax":
		return true
	}
	return false
}

// said cuts a long list of one kind of finding.
func said(list []verify.Finding, code string) []verify.Finding {
	if len(list) <= maxSaid {
		return list
	}
	rest := odd("", code, "%d more files stand out in the same way.", len(list)-maxSaid+1)
	rest.Status = list[0].Status
	return append(list[:maxSaid-1:maxSaid-1], rest)
}

// claims looks for programs that call themselves the work of a publisher who signed other files of the update, and did
// not sign them; and for those whose version is not that of the product they say they belong to.
func (p *pkg) claims() (out []verify.Finding) {
	publishers := map[string]bool{}
	for _, who := range p.signers {
		publishers[normal(who)] = true
	}
	var versions []verify.Finding
	inner := p.report.Contents.Inner
	for i := range inner {
		in := &inner[i]
		company := in.Facts["company"]
		if signer := p.signers[in.Path]; company != "" && publishers[normal(company)] && normal(signer) != normal(company) {
			by := "nobody"
			if signer != "" {
				by = fmt.Sprintf("%q", signer)
			}
			out = append(out, odd(in.Path, "claims-publisher", "It says that it is by %q, who signed other files of this update; %s signed this one.", company, by))
		}
		if f := p.version(in); f != nil {
			versions = append(versions, *f)
		}
	}
	return append(said(out, "claims-publisher"), said(versions, "other-version")...)
}

// version compares a program's version with the update's, where both say that they are of the same product.
func (p *pkg) version(in *verify.Inner) *verify.Finding {
	product, version := p.report.Facts["product"], p.report.Facts["version"]
	if product == "" || version == "" || normal(in.Facts["product"]) != normal(product) || in.Facts["version"] == "" {
		return nil
	}
	if leading(version) == "" || leading(version) == leading(in.Facts["version"]) {
		return nil
	}
	f := odd(in.Path, "other-version", "It says that it is version %s of %q; the update is version %s of it.", in.Facts["version"], product, version)
	return &f
}

// leading returns the first two numbers of a version, which files of one release share.
func leading(version string) string {
	parts := strings.FieldsFunc(version, func(r rune) bool { return r == '.' || r == ',' || r == ' ' })
	if len(parts) < 2 {
		return ""
	}
	return strings.TrimLeft(parts[0], "0") + "." + strings.TrimLeft(parts[1], "0")
}

// normal makes names comparable: without case, punctuation and legal form.
func normal(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '.' || r == ',' || r == '"' || r == '®' || r == '™' {
			return -1
		}
		return r
	}, strings.ToLower(name))
	fields := strings.Fields(name)
	for len(fields) > 1 && legalForms[fields[len(fields)-1]] {
		fields = fields[:len(fields)-1]
	}
	return strings.Join(fields, " ")
}

var legalForms = words("inc ltd llc gmbh ag corp corporation limited co company sa bv oy ab as srl")
