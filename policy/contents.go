package policy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/dustin/go-humanize"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// contents asks for signatures over every executable inside the update, on all levels of containers.
type contents struct {
	signed      *signedBy
	strict      bool     // nothing may stand out, either
	unsigned    []string // globs of inner paths that need no signature
	allowUnread bool     // what was not looked into does not count
	files       int64    // limits; 0 means none
	bytes       int64
	depth       int64
}

func (b *builder) contents(n node) requirement {
	c := &contents{
		signed: b.signedBy(n.get("signed_by")).(*signedBy), strict: n.get("strict").text() == "true",
		allowUnread: n.get("unread").text() == "allow",
	}
	for _, g := range n.get("allow_unsigned").items() {
		if checkInnerGlob(g.text()) == nil {
			c.unsigned = append(c.unsigned, g.text())
		}
	}
	limits := n.get("limits")
	c.files, _ = parseWhole(limits.get("files").text())
	c.depth, _ = parseWhole(limits.get("depth").text())
	c.bytes, _ = parseSize(limits.get("bytes").text())
	return c
}

func parseWhole(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s is no whole number from 1", quote(s))
	}
	return n, nil
}

// parseSize reads a number of bytes, such as 500MB, 2GiB or 1048576.
func parseSize(s string) (int64, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > 1<<50 {
		return 0, fmt.Errorf("%s is no number of bytes such as 500MB or 2GiB", quote(s))
	}
	return int64(n), nil
}

func checkInnerGlob(s string) error {
	if err := checkGlob(s); err != nil {
		return err
	}
	if strings.HasPrefix(s, "/") {
		return fmt.Errorf("the path of an inner file does not begin with a slash, %s does", quote(s))
	}
	return nil
}

// String implements requirement.
func (c *contents) String() string {
	parts := []string{"every executable inside " + c.signed.String()}
	if len(c.unsigned) > 0 {
		parts = append(parts, "except that "+strings.Join(c.unsigned, ", ")+" may be unsigned")
	}
	if c.strict {
		parts = append(parts, "nothing may stand out")
	}
	if c.allowUnread {
		parts = append(parts, "what cannot be looked into does not count")
	}
	if c.files > 0 {
		parts = append(parts, "at most "+counted(int(c.files), "file"))
	}
	if c.bytes > 0 {
		parts = append(parts, "at most "+humanize.IBytes(uint64(c.bytes))+" unpacked")
	}
	if c.depth > 0 {
		parts = append(parts, fmt.Sprintf("at most %d containers in one another", c.depth))
	}
	return strings.Join(parts, "; ")
}

func (c *contents) sidecars() bool { return false }

func (c *contents) inside() bool { return true }

func (c *contents) refers(to func(*anchor)) { c.signed.refers(to) }

// judge implements requirement. It is undecided where something inside is wrong, or was not looked into, so that
// neither contents nor its negation holds.
func (c *contents) judge(e *evidence) (outcome, string) {
	in := e.contents
	if e.role == verify.Metadata && (in == nil || in.Executables == 0 && in.Unread == 0) {
		return holds, "contents: asked of payloads only, and this is metadata"
	}
	if in == nil {
		return undecided, "contents: the file was not looked into"
	}
	v := c.sort(e)
	summary := fmt.Sprintf("%s, %s inside", counted(in.Files, "file"), counted(in.Executables, "executable"))
	switch over := c.over(in); {
	case len(v.invalid) > 0:
		return undecided, fmt.Sprintf("contents: something inside is wrong, which defeats every signature: %s (%s)", quotedInner(v.invalid), summary)
	case len(v.inconclusive) > 0:
		return undecided, fmt.Sprintf("contents: it could not be told what is inside: %s (%s)", quotedInner(v.inconclusive), summary)
	case over != "":
		return fails, fmt.Sprintf("contents: %s (%s)", over, summary)
	case len(v.unsigned) > 0:
		return fails, fmt.Sprintf("contents: %s not %s: %s (%s)", plural(len(v.unsigned), "executable is", "executables are"), c.signed, someOf(v.unsigned), summary)
	case c.strict && len(v.odd) > 0:
		return fails, fmt.Sprintf("contents: strict, and something stands out: %s (%s)", quotedInner(v.odd), summary)
	case in.Executables == 0:
		return holds, "contents: no executable is inside (" + counted(in.Files, "file") + ")"
	}
	why := fmt.Sprintf("contents: each of %s inside is %s", counted(in.Executables, "executable"), c.signed)
	if v.excused > 0 {
		why += fmt.Sprintf(", or is one of %d that need no signature", v.excused)
	}
	return holds, why
}

// someOf joins the first of many sentences, and counts the rest.
func someOf(list []string) string {
	if len(list) > maxQuoted {
		list = append(list[:maxQuoted:maxQuoted], fmt.Sprintf("and %d more", len(list)-maxQuoted))
	}
	return strings.Join(list, "; ")
}

// sortedContents is the findings about inner files, and the executables that lack what is asked for.
type sortedContents struct {
	invalid, inconclusive []*verify.Finding
	odd                   []*verify.Finding // what stands out; of the update itself, too
	unsigned              []string          // sentences
	excused               int               // executables that need no signature
}

func (c *contents) sort(e *evidence) sortedContents {
	var v sortedContents
	by := newBySubject(len(e.contents.Inner), len(e.findings))
	allowed := 0 // of what was not looked into
	for i := range e.findings {
		f := &e.findings[i]
		if f.Status == verify.Untrusted && f.Signer.IsZero() && !byStranger(f) {
			v.odd = append(v.odd, f)
		}
		excused := c.allowUnread && unread(f)
		if excused {
			allowed++
		}
		if f.Subject == "" && !aboutOpening(f) {
			continue
		}
		switch {
		case f.Status == verify.Invalid:
			v.invalid = append(v.invalid, f)
		case f.Status > verify.Valid || f.Status == verify.Inconclusive && !excused:
			v.inconclusive = append(v.inconclusive, f)
		}
		by.add(f.Subject, i)
	}
	c.executables(e, by, &v)
	if left := e.contents.Unread - allowed; left > 0 && len(v.inconclusive) == 0 {
		v.inconclusive = append(v.inconclusive, &verify.Finding{Code: "unpack/not-looked-into", Detail: counted(left, "entry or container") + " not looked into"})
	}
	return v
}

// bySubject is which findings are about a subject.
type bySubject struct {
	first map[string]int // the number of the first of them
	after []following    // by number
}

// following is what comes after a finding about the same subject; 0 is nothing, as no finding comes after itself.
type following struct {
	next int
	last int // of the first: the last of all
}

func newBySubject(subjects, findings int) *bySubject {
	return &bySubject{first: make(map[string]int, subjects), after: make([]following, findings)}
}

func (by *bySubject) add(subject string, finding int) {
	first, known := by.first[subject]
	if !known {
		by.first[subject] = finding
		by.after[finding].last = finding
		return
	}
	by.after[by.after[first].last].next = finding
	by.after[first].last = finding
}

// outer appends the findings about an inner file as if it were by itself.
func (by *bySubject) outer(to, findings []verify.Finding, path string) []verify.Finding {
	for i, more := by.first[path]; more; i, more = by.after[i].next, by.after[i].next > 0 {
		f := findings[i]
		f.Subject = ""
		to = append(to, f)
	}
	return to
}

// executables judges each executable by the findings about it alone.
func (c *contents) executables(e *evidence, by *bySubject, v *sortedContents) {
	var own evidence
	var s sorted
	for i := range e.contents.Inner {
		in := &e.contents.Inner[i]
		if !in.Format.Executable() {
			continue
		}
		own = evidence{sum: in.SHA256, now: e.now, findings: by.outer(own.findings[:0], e.findings, in.Path)}
		own.sortInto(&s)
		if c.signed.enough(&own, s) {
			continue
		}
		if c.excuses(in.Path) && !signedAtAll(own.findings) {
			v.excused++
			continue
		}
		what := "nothing was found out about it"
		switch {
		case len(s.valid) > 0:
			what = "signed by " + signers(s.valid)
		case len(s.rest) > 0:
			what = quoted(s.rest[:1])
		}
		v.unsigned = append(v.unsigned, fmt.Sprintf("%s: %s", printable.Text(in.Path, 200), what))
	}
}

// signedAtAll reports whether there is a signature, by whomever: that needs more than the leave to have none.
func signedAtAll(findings []verify.Finding) bool {
	for _, f := range findings {
		if !f.Signer.IsZero() || len(f.Anchors) > 0 || f.Status == verify.Invalid {
			return true
		}
	}
	return false
}

func (c *contents) excuses(path string) bool {
	for _, g := range c.unsigned {
		if doublestar.MatchUnvalidated(g, path) {
			return true
		}
	}
	return false
}

// unread reports whether a finding says that something was not looked into, rather than that looking failed.
func unread(f *verify.Finding) bool {
	return f.Status == verify.Inconclusive && strings.HasSuffix(f.Code, "/not-looked-into")
}

// aboutOpening reports whether a finding about the update itself comes from opening it.
func aboutOpening(f *verify.Finding) bool {
	return f.Method == "unpack" || unread(f)
}

func (c *contents) over(in *verify.Contents) string {
	switch {
	case c.files > 0 && int64(in.Files) > c.files:
		return fmt.Sprintf("the limit is %d files, there are %d", c.files, in.Files)
	case c.bytes > 0 && in.Bytes > c.bytes:
		return fmt.Sprintf("the limit is %s unpacked, there are %s", humanize.IBytes(uint64(c.bytes)), humanize.IBytes(uint64(in.Bytes)))
	case c.depth > 0 && int64(in.Depth) > c.depth:
		return fmt.Sprintf("the limit is %d containers in one another, there are %d", c.depth, in.Depth)
	}
	return ""
}

// quotedInner names findings with the inner files that they are about.
func quotedInner(findings []*verify.Finding) string {
	var parts []string
	for i, f := range findings {
		if i == maxQuoted {
			parts = append(parts, fmt.Sprintf("and %d more", len(findings)-i))
			break
		}
		where := "the file itself"
		if f.Subject != "" {
			where = printable.Text(f.Subject, 200)
		}
		parts = append(parts, where+": "+quoted([]*verify.Finding{f}))
	}
	return strings.Join(parts, "; ")
}

func counted(n int, what string) string { return plural(n, what, what+"s") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
