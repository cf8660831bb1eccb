package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/sallyport-project/sallyport/verify"
)

// evaluation is one expression while it is evaluated over the facts of one decision. It answers for variables and functions (as an
// interpreter.FunctionActivation), and notes what was looked at. It is used by one goroutine.
type evaluation struct {
	*evidence
	of      *condition
	path    string // the reading of the request's path that is looked at; "" is none
	sawPath bool   // the result rests on it
	root    object
	seen    []seen
	partial error // why a list that was looked at is not all there is
	work    int   // comparisons of findings with anchors

	// What was found out once, and is not found out again.
	answers  map[*fact]answer      // of things that there is one of
	called   map[[2]string]ref.Val // by function and argument
	noted    map[*fact]bool        // in seen, or not worth it
	sorted   *sorted
	insideOf *insideState
	named    map[*verify.Finding][]string
	codes    [2]map[string][]*verify.Finding
}

var (
	errNotOpened                                   = unknown("the update was not looked into")
	errNothingFound                                = unknown("nothing was found out about the file's signatures")
	_               interpreter.FunctionActivation = (*evaluation)(nil)
)

// maxWork bounds comparisons of findings with anchors, which cost limits do not see.
const maxWork = 2_000_000

// maxAnswers is how many answers of functions are remembered. Only has_finding can be asked for more, which then takes no longer than a step.
const maxAnswers = 10_000

// ResolveName implements interpreter.Activation. A fact that the policy was not planned for is none.
func (e *evaluation) ResolveName(name string) (any, bool) {
	f := factsOf.by[name]
	if f == nil {
		return nil, false
	}
	if !e.of.reads[name] {
		return types.NewErr("%s was not known to be asked for", name), true
	}
	v, err := e.root.fact(f)
	e.saw(factsOf, f, v, err)
	if err != nil {
		return types.WrapErr(err), true
	}
	return v, true
}

// Parent implements interpreter.Activation.
func (e *evaluation) Parent() interpreter.Activation { return nil }

// ResolveFunction implements interpreter.FunctionActivation.
func (e *evaluation) ResolveFunction(name string) (functions.LateBoundOp, bool) {
	var f func(string) ref.Val
	switch name {
	case "signed_by":
		f = e.signedBy
	case "has_finding":
		f = func(code string) ref.Val { return e.hasFinding(code, false) }
	case "has_finding_inside":
		f = func(code string) ref.Val { return e.hasFinding(code, true) }
	case "newer_than":
		f = e.newerThan
	default:
		return nil, false
	}
	return func(_ string, args ...ref.Val) ref.Val {
		if len(args) == 1 {
			if s, ok := args[0].(types.String); ok {
				return e.once(name, string(s), f)
			}
		}
		return types.NewErr("%s takes one text", name)
	}, true
}

// once calls a function, unless its answer for the same argument is known already.
func (e *evaluation) once(name, argument string, f func(string) ref.Val) ref.Val {
	key := [2]string{name, argument}
	if v, ok := e.called[key]; ok {
		return v
	}
	v := f(argument)
	if e.called == nil {
		e.called = map[[2]string]ref.Val{}
	}
	if len(e.called) < maxAnswers {
		e.called[key] = v
	}
	e.sawCall(name, argument, v)
	return v
}

// run evaluates the expression. An error says why it cannot be told.
func (e *evaluation) run(program cel.Program) (result bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the evaluation broke off: %v", r)
		}
	}()
	e.root = object{typ: factsOf, in: e}
	v, _, err := program.Eval(interpreter.FunctionActivation(e))
	if err != nil {
		return false, e.inWords(err)
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the result is neither true nor false")
	}
	return bool(b), nil
}

// inWords says what an error of the evaluation means.
func (e *evaluation) inWords(err error) error {
	var cancelled interpreter.EvalCancelledError
	var fact notKnown
	text := err.Error()
	switch {
	case errors.As(err, &fact):
		return fact
	case errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded:
		return fmt.Errorf("there is too much to look at: it was given up after %d steps", maxCost)
	case strings.HasPrefix(text, "internal error") && e.partial != nil:
		return e.partial
	case strings.HasPrefix(text, "no such key"), strings.HasPrefix(text, "index out of bounds"), strings.Contains(text, "out of range"):
		return fmt.Errorf("it asks for an element that is not there (%s)", text)
	case strings.Contains(text, "overflow"):
		return fmt.Errorf("a number in it becomes too large (%s)", text)
	case text == "division by zero", text == "modulus by zero":
		return errors.New("it divides by zero")
	}
	return err
}

// seen is a fact that was looked at, and what it was.
type seen struct{ what, value string }

const maxSeen = 8 // facts that a reason shows

// timeText shows a time in a reason.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
