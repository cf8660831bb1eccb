package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/dustin/go-humanize"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// singles are the things of which a decision has one, so that a reason can name their facts.
var singles = map[*factType]string{factsOf: "", updateFacts: "update.", requestFacts: "request.", clientFacts: "request.client.", contentsFacts: "contents.", historyFacts: "history.", pastFacts: "past.", changesFacts: "changes."}

// saw notes a fact that was looked at, for the reason.
func (e *evaluation) saw(t *factType, f *fact, v any, err error) {
	prefix, single := singles[t]
	if !single || err != nil || e.noted[f] || len(e.seen) == maxSeen {
		return // a fact that is not known ends up in the reason by itself, if it matters
	}
	e.noting(f)
	if text := e.shown(f, v); text != "" {
		e.note(prefix+f.name, text)
	}
}

// lacked notes a fact that was asked for and is not there.
func (e *evaluation) lacked(o *object, f *fact) {
	prefix, single := singles[o.typ]
	if !single || e.noted[f] {
		return
	}
	e.noting(f)
	value := "empty"
	if _, err := o.fact(f); err != nil {
		value = "not known"
	}
	e.note(prefix+f.name, value)
}

func (e *evaluation) noting(f *fact) {
	if e.noted == nil {
		e.noted = map[*fact]bool{}
	}
	e.noted[f] = true
}

// note keeps what a reason shows, each once, the first of many.
func (e *evaluation) note(what, value string) {
	if len(e.seen) < maxSeen && !slices.ContainsFunc(e.seen, func(s seen) bool { return s.what == what }) {
		e.seen = append(e.seen, seen{what, value})
	}
}

// sawCall notes the answer of a function.
func (e *evaluation) sawCall(name, argument string, v ref.Val) {
	what := name + "('" + printable.Text(argument, 80) + "')"
	b, ok := v.(types.Bool)
	if !ok {
		return
	}
	value := strconv.FormatBool(bool(b))
	if name == "signed_by" && b == types.False {
		_, why := e.of.signed[argument].judge(e.evidence)
		if _, after, found := strings.Cut(why, ": "); found {
			value += " (" + after + ")"
		}
	}
	e.note(what, value)
}

// shown is a fact as a reason shows it; "" if it is not worth showing.
func (e *evaluation) shown(f *fact, v any) string {
	switch x := v.(type) {
	case string:
		return `"` + printable.Text(x, 120) + `"`
	case bool:
		return strconv.FormatBool(x)
	case int64:
		if (f.name == "size" || f.name == "bytes") && x >= 10_000 {
			return fmt.Sprintf("%d (%s)", x, humanize.IBytes(uint64(x)))
		}
		return strconv.FormatInt(x, 10)
	case time.Time:
		return timeText(x)
	case []string:
		return listed(x)
	case *thingList:
		return e.shownList(f, x)
	}
	return ""
}

func listed(items []string) string {
	if len(items) == 0 {
		return "empty"
	}
	var parts []string
	for i, s := range items {
		if i == maxQuoted {
			parts = append(parts, fmt.Sprintf("and %d more", len(items)-i))
			break
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// shownList names the elements of a list of things.
func (e *evaluation) shownList(f *fact, l *thingList) string {
	var parts []string
	elements := l.elements
	if f.name == "inner" {
		return counted(len(elements), "file")
	}
	for i, v := range elements {
		if i > maxQuoted {
			break
		}
		switch o := v.(*object); o.typ {
		case signerFacts:
			parts = append(parts, who(o.finding()))
		case attestationFacts:
			parts = append(parts, who(o.finding())+stated(o.finding()))
		case scanFacts:
			parts = append(parts, o.scan().sentence())
		case hitFacts:
			parts = append(parts, o.hit().sentence())
		default:
			parts = append(parts, quotedInnerCode(o))
		}
	}
	if n := len(elements); n > len(parts) {
		parts = append(parts, make([]string, n-len(parts))...) // counted, not shown
	}
	return listed(parts)
}

// quotedInnerCode names a finding shortly.
func quotedInnerCode(o *object) string {
	f := o.finding()
	s := printable.Text(f.Code, 80)
	if s == "" {
		s = printable.Text(f.Method, 40)
	}
	s += " " + statusWord(f, o.in.now)
	if f.Subject != "" {
		s = printable.Text(f.Subject, 80) + ": " + s
	}
	return s
}
