package learn

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// write drafts the channel of a group of hosts.
func (d *draft) write(g *group, name string) {
	name = unique(cmp.Or(nameFrom(name), nameFrom(g.hosts[0].name), "host"), d.taken)
	proposals := d.propose(g)
	c := &d.channel
	if c.Len() > 0 {
		c.WriteString("\n")
	}
	for _, h := range g.hosts {
		h.describe(c)
	}
	var hosts, anchors []string
	for _, h := range g.hosts {
		hosts = append(hosts, quoted(h.name))
	}
	fmt.Fprintf(c, "- name: %s\n  hosts: [%s]\n", quoted(name), strings.Join(hosts, ", "))
	if len(g.globs) > 0 {
		globs := make([]string, len(g.globs))
		for i, glob := range g.globs {
			globs[i] = quoted(glob)
		}
		fmt.Fprintf(c, "  paths: [%s]\n", strings.Join(globs, ", "))
	}
	c.WriteString("  mode: observe\n  require:\n")
	for _, p := range proposals {
		if p.name == "" {
			fmt.Fprintf(c, "  # also signed by %s (%s), %s: %s\n", remark(cmp.Or(p.Organization, p.Identity, p.Name, "somebody without a name")), remark(p.Method), p.evidence(), remark(p.why))
			continue
		}
		if !slices.Contains(anchors, quoted(p.name)) {
			anchors = append(anchors, quoted(p.name))
		}
		d.evidence[p.anchor] = append(d.evidence[p.anchor], fmt.Sprintf("%s on %s: %s, by %s", remark(p.Method), remark(g.hosts[0].name), p.evidence(), remark(p.Name)))
	}
	if len(anchors) == 0 {
		c.WriteString(nothingProven)
		return
	}
	fmt.Fprintf(c, "  - signed_by: [%s]\n", strings.Join(anchors, ", "))
	d.try(g, name, proposals)
}

// nothingProven is required where nobody can be proposed.
const nothingProven = "  # Nothing that was seen shows who is to be trusted. Write here what an update has to prove; nothing holds this.\n  - if: \"false\"\n"

// describe writes what was seen of a host, as comments.
func (h *host) describe(c *strings.Builder) {
	say := func(format string, args ...any) { fmt.Fprintf(c, "# "+format+"\n", args...) }
	say("%s: %s, %s to %s; %s signed by nobody; %s let through, or would have been", remark(h.name), number(h.updates, "update"), day(h.first), day(h.last), number(h.unsigned, ""), number(h.through, ""))
	if h.metadata > 0 {
		say("  besides %s of what is no update itself, such as an index", number(h.metadata, "download"))
	}
	if h.broken > 0 {
		say("  SOMETHING WAS WRONG with the signatures of %s: look at these before anything else; who signed these is left out", number(h.broken, ""))
	}
	if h.odd > 0 {
		say("  SOMETHING INSIDE WAS WRONG in %s: look at these, too", number(h.odd, ""))
	}
	if h.refused > 0 {
		say("  %s refused by a deny rule or a recall, or held while a list names it; who signed these is left out", number(h.refused, ""))
	}
	say("  formats: %s", tally(h.formats, 8))
	if len(h.versions) > 0 {
		say("  versions: %s", tally(h.versions, 5))
	}
	if len(h.channels) > 0 {
		say("  judged so far by: %s", tally(h.channels, 5))
	}
	if h.schemes["http"] > 0 {
		say("  %s came over plain http", number(h.schemes["http"], ""))
	}
	if h.beyond > 0 {
		say("  and %s with paths or signers that were too many to tell apart", number(h.beyond, ""))
	}
}

// tally lists what was counted, most first.
func tally(m map[string]int, most int) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(m[b]-m[a], cmp.Compare(a, b)) })
	var parts []string
	for i, name := range names {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %s more", number(len(names)-most, "")))
			break
		}
		shown := remark(name)
		if shown == "" {
			shown = "unknown"
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", shown, number(m[name], "")))
	}
	return strings.Join(parts, ", ")
}

// plainURLs are those that can be read in one way alone.
var plainURLs = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9/_-][A-Za-z0-9/._+-]*[A-Za-z0-9]$`)

// try drafts tests: what was seen passes, what nobody signed does not.
func (d *draft) try(g *group, name string, proposals []proposal) {
	unsigned := ""
	for _, p := range proposals {
		if p.name == "" || !plainURLs.MatchString(p.example) || strings.Contains(p.example, "/.") || strings.Contains(p.example[8:], "//") || strings.Contains(p.example, "./") {
			continue
		}
		if unsigned == "" {
			unsigned = p.example
		}
		fmt.Fprintf(&d.tests, "- {name: %s, url: %s, findings: [%s], want: allow}\n", quoted("what "+p.name+" signed passes on "+name), quoted(p.example), p.finding)
	}
	if unsigned != "" {
		fmt.Fprintf(&d.tests, "- {name: %s, url: %s, want: quarantine}\n", quoted("what nobody signed is held on "+name), quoted(unsigned))
	}
}
