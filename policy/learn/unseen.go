package learn

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mostUnseen is how many hosts are named that nothing was looked at on.
const mostUnseen = 25

// unseen returns the hosts whose traffic was passed through, those with most of it first.
func (s *Survey) unseen(o Options) []*tunnel {
	list := slices.DeleteFunc(slices.Collect(maps.Values(s.tunnels)), func(t *tunnel) bool { return !o.wants(t.name) })
	slices.SortFunc(list, func(a, b *tunnel) int {
		return cmp.Or(cmp.Compare(b.received, a.received), cmp.Compare(a.name, b.name))
	})
	return list
}

// notLookedInto names hosts from which something came that nobody looked at.
func notLookedInto(w *strings.Builder, list []*tunnel) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n# Passed through unseen, most bytes first. What updates came this way is not known: name a host under hosts.inspect or in a\n# channel to find out.\n")
	for i, t := range list {
		if i == mostUnseen {
			fmt.Fprintf(w, "#   and %s\n", number(len(list)-i, "host"))
			return
		}
		fmt.Fprintf(w, "#   %s: %s, %.1f MiB received, %s to %s\n", remark(t.name), number(t.count, "connection"), float64(t.received)/(1<<20), day(t.first), day(t.last))
	}
}

// blind drafts a channel for a host of which nothing but its name is known.
func (d *draft) blind(t *tunnel, name string) {
	if !writable(t.name) {
		return
	}
	fmt.Fprintf(&d.channel, "# %s: %s, %.1f MiB received, %s to %s; nothing was looked at\n", remark(t.name), number(t.count, "connection"), float64(t.received)/(1<<20), day(t.first), day(t.last))
	fmt.Fprintf(&d.channel, "- name: %s\n  hosts: [%s]\n  mode: observe\n  require:\n%s",
		quoted(unique(cmp.Or(nameFrom(name), nameFrom(t.name), "host"), d.taken)), quoted(t.name), nothingProven)
}
