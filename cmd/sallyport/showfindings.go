package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// How much of a long list is printed; --json gives more.
const (
	shownSigners  = 10
	shownFindings = 40
	shownSubjects = 3
)

// contents prints the counts of what is inside, and who signed how much of it. What stands out is among the findings.
func (p paragraph) contents(c *audit.Contents) {
	if c == nil || c.Containers == 0 && c.Unread == 0 {
		return
	}
	unread := ""
	if c.Unread > 0 {
		unread = ", " + commas(c.Unread, "container") + " not looked into"
	}
	p.line("inside", "%s, %s unpacked, %s, %s opened%s", commas(c.Files, "file"), byteSize(c.Bytes),
		commas(c.Executables, "executable"), commas(c.Containers, "container"), unread)
	for i, s := range c.Signers {
		if i == shownSigners {
			p.line("", "and %s", commas(len(c.Signers)-i, "more signer"))
			break
		}
		p.line("", "%s by %s (%s)", humanize.Comma(int64(s.Files)), printable.Text(signers(s.Signer, s.Anchors), 100), printable.Text(s.Code, 60))
	}
	if n := unvouched(c); n > 0 && c.LeftOut > 0 {
		p.line("", "%s by nobody that could be verified, of the %s that are listed", humanize.Comma(int64(n)), humanize.Comma(int64(len(c.Inner))))
	} else if n > 0 {
		p.line("", "%s by nobody that could be verified", humanize.Comma(int64(n)))
	}
}

// unvouched is how many executables nobody vouches for, of those that are listed.
func unvouched(c *audit.Contents) int {
	n := 0
	for _, f := range c.Inner {
		if len(f.By) == 0 {
			n++
		}
	}
	return n
}

// commas is count with separators between the thousands.
func commas(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return humanize.Comma(int64(n)) + " " + noun
}

func signers(signer string, anchors []string) string {
	who := anchors
	if signer != "" {
		who = append([]string{signer}, anchors...)
	}
	return strings.Join(who, ", ")
}

// findings prints a table: status, code, who signed, and what was found. What is the same of many inner files is one
// line.
func (p paragraph) findings(list []audit.Finding) {
	fmt.Fprintln(p.w, "  findings")
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	groups := groupFindings(list)
	for i, g := range groups {
		if i == shownFindings {
			fmt.Fprintf(t, "    \tand %d more: --json gives them\t\t\n", len(groups)-i)
			break
		}
		fmt.Fprintf(t, "    %s\t%s\t%s\t%s%s\n", g.Status, printable.Text(g.Code, 60), orDash(printable.Text(signers(g.Signer, g.Anchors), 80)),
			g.where(), printable.Text(g.Detail, 600))
	}
	t.Flush()
	p.statements(list)
}

// findingGroup is what was found in the same words of one or more inner files.
type findingGroup struct {
	audit.Finding
	subjects []string
}

// groupFindings brings together what differs by its subject alone, in the order of the first of each group.
func groupFindings(list []audit.Finding) []*findingGroup {
	var groups []*findingGroup
	known := map[string]*findingGroup{}
	for _, f := range list {
		key := strings.Join([]string{f.Status.String(), f.Code, f.Signer, f.Issuer, strings.Join(f.Anchors, " "), f.Detail}, "\x00")
		g := known[key]
		if g == nil || f.Subject == "" {
			g = &findingGroup{Finding: f}
			groups = append(groups, g)
			if f.Subject != "" {
				known[key] = g
			}
		}
		if f.Subject != "" {
			g.subjects = append(g.subjects, f.Subject)
		}
	}
	return groups
}

// where names the inner files; "" for a finding about the whole.
func (g *findingGroup) where() string {
	if len(g.subjects) == 0 {
		return ""
	}
	return someOf(g.subjects, "more files") + ": "
}

// evidence prints the sidecars that were consulted: those that were read, then what kept the others from it, once for
// all to which it happened.
func (p paragraph) evidence(list []verify.Reference) {
	var reasons []string
	missed := map[string][]string{}
	for _, e := range list {
		if e.Result == "" {
			p.line("sidecar", "%s: sha256:%s", printable.Text(e.URL, 1000), e.SHA256)
			continue
		}
		if missed[e.Result] == nil {
			reasons = append(reasons, e.Result)
		}
		missed[e.Result] = append(missed[e.Result], e.URL)
	}
	for _, reason := range reasons {
		p.line("sidecar", "%s: %s", someOf(missed[reason], "more"), printable.Text(reason, 300))
	}
}

// someOf names the first of a list, and counts the rest as so many of what.
func someOf(list []string, what string) string {
	var names []string
	for _, s := range list[:min(len(list), shownSubjects)] {
		names = append(names, printable.Text(s, 200))
	}
	text := strings.Join(names, ", ")
	if more := len(list) - len(names); more > 0 {
		text += fmt.Sprintf(" and %s %s", humanize.Comma(int64(more)), what)
	}
	return text
}
