package policy

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// condition is a CEL expression that has to be true.
type condition struct {
	text     string // as it was written
	program  cel.Program
	reads    map[string]bool      // the variables that it refers to
	signed   map[string]*signedBy // what it asks signed_by for, by the anchor's name
	own      bool                 // it looks at what was found out about the update itself
	all      bool                 // it looks at findings, of the update or inside, and so at what all anchors vouch for
	opens    bool                 // it asks for what is inside
	names    []string             // of the policy's anchors that can be evaluated, sorted
	anchors  []*anchor            // those that it refers to
	scanners []*Scanner           // those that it asks
}

// maxShown is how much of an expression a reason shows, in characters.
const maxShown = 200

// String implements requirement.
func (c *condition) String() string { return "if " + c.shown() }

// shown is the expression on one line.
func (c *condition) shown() string {
	return printable.Text(strings.Join(strings.Fields(c.text), " "), maxShown)
}

func (c *condition) sidecars() bool {
	if !c.own && len(c.signed) == 0 {
		return false // inside an update nothing is published beside a file
	}
	for _, a := range c.anchors {
		if a.beside() && (c.own || c.signed[a.name] != nil) {
			return true
		}
	}
	return false
}

func (c *condition) inside() bool { return c.opens }

func (c *condition) refers(to func(*anchor)) {
	for _, a := range c.anchors {
		to(a)
	}
}

// judge implements requirement. Where a path can be read in several ways, the expression has to come out the same for all of them.
func (c *condition) judge(e *evidence) (outcome, string) {
	if e.facts == nil {
		return undecided, c.String() + " cannot be told: nothing is known"
	}
	first, why := c.read(e, 0)
	for i := 1; i < len(e.readings) && why.sawPath; i++ {
		if other, _ := c.read(e, i); other != first {
			return undecided, fmt.Sprintf("%s cannot be told: the path can be read in ways for which it comes out differently, %s and %s", c, quote(e.readings[0]), quote(e.readings[i]))
		}
	}
	return first, why.text
}

// account is how an expression came out, in words.
type account struct {
	text    string
	sawPath bool
}

// read evaluates the expression for one reading of the request's path.
func (c *condition) read(e *evidence, reading int) (outcome, account) {
	run := &evaluation{evidence: e, of: c}
	if reading < len(e.readings) {
		run.path = e.readings[reading]
	}
	result, err := run.run(c.program)
	o, text := fails, c.String()
	switch {
	case err != nil:
		o = undecided
		text += " cannot be told: " + printable.Text(err.Error(), 600)
	case result:
		o = holds
		text += " is true"
	default:
		text += " is false"
	}
	var parts []string
	for _, s := range run.seen {
		parts = append(parts, s.what+" is "+s.value)
	}
	if len(parts) > 0 {
		sep := ": "
		if err != nil {
			sep = "; "
		}
		text += sep + strings.Join(parts, ", ")
	}
	return o, account{text, run.sawPath}
}
