package policy

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// Sentences tell a person what has changed, what counts against the update first. They are printable and short; where nothing has
// changed that is known, one says so.
func (c *Changes) Sentences() []string {
	out := append(c.Adverse(), c.others()...)
	if len(out) == 0 {
		out = []string{"Nothing else is different that is known."}
	}
	return out
}

// Since names the release that was compared with: "3CX-18.11.msi, version 18.11, let through on 2026-11-01 10:00:00 UTC".
func (c *Changes) Since() string {
	s := printable.Text(c.Against.Name, 120)
	if s == "" {
		s = "the release before"
	}
	if c.Against.Version != "" {
		s += ", version " + printable.Text(c.Against.Version, 60)
	}
	if !c.Against.At.IsZero() {
		s += ", let through on " + timeText(c.Against.At)
	}
	return s
}

// Adverse are those of the sentences that speak of what attacks on updates change, and releases seldom: a signature that is gone,
// another signer, something new that runs when it is installed.
func (c *Changes) Adverse() (out []string) {
	if was, is := c.Signers[0], c.Signers[1]; len(was) > 0 && len(is) > 0 && !shares(was, is) {
		out = append(out, fmt.Sprintf("It is signed by %s; the release before was signed by %s.", publisherNames(is), publisherNames(was)))
	}
	if n := c.Counts.Unsigned; n > 0 {
		out = append(out, sentence("Without a valid signature, unlike the release before: ", n, filesOf(c.Files.Unsigned)))
	}
	if n := c.Counts.Resigned; n > 0 {
		out = append(out, sentence("Signed by somebody else: ", n, filesOf(c.Files.Resigned)))
	}
	if fresh, n := c.freshActions(); n > 0 {
		out = append(out, sentence("Runs when it is installed, and did not before: ", n, fresh))
	}
	return out
}

// freshActions are the listed actions that are new, and how many there may be in all: new ones are listed first.
func (c *Changes) freshActions() (listed []string, n int) {
	listed = c.actions(actionNew)
	if n = len(listed); n == len(c.Files.Actions) {
		n += c.unlistedActions()
	}
	return listed, n
}

// others are the sentences that are not adverse.
func (c *Changes) others() (out []string) {
	if altered := c.actions(actionChanged); len(altered) > 0 {
		_, fresh := c.freshActions()
		out = append(out, sentence("Runs something else when it is installed: ", c.Counts.Actions-fresh, altered))
	}
	if n := c.Counts.Imports; n > 0 {
		out = append(out, sentence("Loads more, or may do more: ", n, filesOf(c.Files.Imports)))
	}
	switch {
	case !c.Opened:
		out = append(out, "The files inside are not compared: not both releases were looked into.")
	case c.Counts.Added+c.Counts.Removed+c.Counts.Changed > 0:
		for _, l := range []struct {
			word  string
			n     int
			files []ChangedFile
		}{{"Added: ", c.Counts.Added, c.Files.Added}, {"Removed: ", c.Counts.Removed, c.Files.Removed}, {"Changed: ", c.Counts.Changed, c.Files.Changed}} {
			if l.n > 0 {
				out = append(out, sentence(l.word, l.n, filesOf(l.files)))
			}
		}
	default:
		out = append(out, "No file inside was added, removed or changed.")
	}
	if c.Opened && c.Partly {
		out = append(out, "Not everything inside could be looked into, so there may be more.")
	}
	if was, is := c.Size[0], c.Size[1]; was > 0 && is > 0 && was != is {
		out = append(out, fmt.Sprintf("It has %s; the release before had %s (%+.1f %%).", humanize.IBytes(uint64(is)), humanize.IBytes(uint64(was)), 100*float64(is-was)/float64(was)))
	}
	return out
}

// maxNamed is how many files or actions a sentence names.
const maxNamed = 5

// sentence names the first of n things.
func sentence(what string, n int, names []string) string {
	shown := names[:min(len(names), maxNamed)]
	s := strings.Join(shown, "; ")
	switch more := n - len(shown); {
	case len(shown) == 0:
		s = counted(n, "thing")
	case more > 0:
		s += fmt.Sprintf("; and %s more", humanize.Comma(int64(more)))
	}
	return what + s + "."
}

// filesOf names files, with what there is to say of them.
func filesOf(files []ChangedFile) []string {
	out := make([]string, 0, min(len(files), maxNamed))
	for _, f := range byRank(files)[:min(len(files), maxNamed)] {
		name := printable.Text(f.Path, 160)
		if name == "" {
			name = "the update itself"
		}
		if len(f.Notes) > 0 {
			name += " (" + printable.Text(strings.Join(f.Notes, ", "), 300) + ")"
		}
		out = append(out, name)
	}
	return out
}

// actions are the listed ones that are new, or that have changed.
func (c *Changes) actions(how string) (out []string) {
	for _, a := range c.Files.Actions {
		if strings.Contains(a, how) {
			out = append(out, printable.Text(strings.Replace(a, how, ": ", 1), 300))
		}
	}
	return out
}

// unlistedActions counts the actions of which nobody knows here whether they are new.
func (c *Changes) unlistedActions() int { return max(0, c.Counts.Actions-len(c.Files.Actions)) }
