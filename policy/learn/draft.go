package learn

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Options say what to draft.
type Options struct {
	Host    string    // only this host, or *.domain; empty: all
	Channel string    // the name of the channel, if there is one only
	Now     time.Time // for the heading
}

// draft is one that is being written.
type draft struct {
	anchors  map[string]string   // names, by what they are
	names    map[string]bool     // of anchors
	order    []string            // of anchors
	taken    map[string]bool     // names of channels
	evidence map[string][]string // for anchors, in words
	channel  strings.Builder
	tests    strings.Builder
}

// group is hosts that one channel is drafted for.
type group struct {
	hosts []*host
	globs []string
}

// Write writes a policy that observes what the survey saw. It parses, and its tests hold, whatever strangers called themselves.
func (s *Survey) Write(w io.Writer, o Options) error {
	d := &draft{anchors: map[string]string{}, names: map[string]bool{}, taken: map[string]bool{}, evidence: map[string][]string{}}
	groups := s.groups(o)
	unseen := s.unseen(o)
	for _, g := range groups {
		name := ""
		if len(groups) == 1 {
			name = o.Channel
		}
		d.write(g, name)
	}
	if len(groups) == 0 && o.Host != "" {
		for _, t := range unseen {
			d.blind(t, o.Channel)
		}
	}
	var out strings.Builder
	s.heading(&out, o, groups)
	out.WriteString("version: 1\n")
	if len(d.order) > 0 {
		out.WriteString("\nanchors:\n")
	}
	for _, anchor := range d.order {
		for _, line := range d.evidence[anchor] {
			out.WriteString("  # " + line + "\n")
		}
		fmt.Fprintf(&out, "  %s: %s\n", quoted(d.anchors[anchor]), anchor)
	}
	if d.channel.Len() > 0 {
		out.WriteString("\nchannels:\n" + d.channel.String())
	}
	if d.tests.Len() > 0 {
		out.WriteString("\ntests:\n" + d.tests.String())
	}
	notLookedInto(&out, unseen)
	_, err := io.WriteString(w, out.String())
	return err
}

var plainHost = regexp.MustCompile(`^[a-z0-9_]([a-z0-9._-]{0,250}[a-z0-9])?$`)

func writable(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return plainHost.MatchString(name) && !strings.Contains(name, "..") && strings.ContainsAny(name[strings.LastIndexByte(name, '.')+1:], "abcdefghijklmnopqrstuvwxyz")
}

func (o Options) wants(host string) bool {
	if domain, ok := strings.CutPrefix(strings.ToLower(o.Host), "*."); ok {
		return strings.HasSuffix(host, "."+domain)
	}
	return o.Host == "" || strings.EqualFold(o.Host, host)
}

// groups returns what channels are drafted for: hosts with the same paths and signers make one.
func (s *Survey) groups(o Options) []*group {
	var out []*group
	by := map[string]*group{}
	for _, name := range s.Hosts() {
		h := s.hosts[name]
		if !o.wants(name) || !writable(name) || h.updates == 0 {
			continue
		}
		globs := globsOf(slices.Collect(maps.Keys(h.paths)))
		key := strings.Join(globs, "\n") + "\x00" + strings.Join(slices.Sorted(maps.Keys(h.signers)), "\x01")
		if g := by[key]; g != nil && len(h.signers) > 0 {
			g.hosts = append(g.hosts, h)
			continue
		}
		by[key] = &group{hosts: []*host{h}, globs: globs}
		out = append(out, by[key])
	}
	return out
}

func (s *Survey) heading(w *strings.Builder, o Options, groups []*group) {
	say := func(format string, args ...any) { fmt.Fprintf(w, "# "+format+"\n", args...) }
	first, last := time.Time{}, time.Time{}
	for _, h := range s.hosts {
		first, _ = span(first, last, h.first)
		_, last = span(first, last, h.last)
	}
	say("Drafted by `sallyport policy learn` on %s from %s, %s to %s.", day(o.Now), number(s.Sightings, "decision"), day(first), day(last))
	say("")
	say("Nothing here is proven: it is what the gate saw, harmless or not. Read it, compare the publishers with what the vendors say of")
	say("themselves, and take over what you know to be right. The channels observe; `mode: observe` goes when you have seen what they would hold.")
	if len(groups) == 0 {
		say("")
		say("There was no update that a channel could be drafted for.")
	}
	if s.Nameless > 0 {
		say("%s had no URL left: it was deleted, or is that of a file.", number(s.Nameless, "decision"))
	}
	if s.Beyond > 0 {
		say("%s came from hosts beyond the first %d, and were left out.", number(s.Beyond, "event"), maxHosts)
	}
	w.WriteString("\n")
}

func day(t time.Time) string {
	if t.IsZero() {
		return "no date"
	}
	return t.UTC().Format(time.DateOnly)
}

// number writes a count of things, with commas.
func number(n int, what string) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	switch {
	case what == "":
		return digits
	case n == 1:
		return "1 " + what
	}
	return digits + " " + what + "s"
}
