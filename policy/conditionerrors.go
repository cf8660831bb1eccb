package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/sallyport-project/sallyport/internal/printable"
)

var (
	undeclaredError = regexp.MustCompile(`^undeclared reference to '\.?([^']*)'`)
	undefinedError  = regexp.MustCompile(`^undefined field '([^']*)'`)
	overloadError   = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	syntaxError     = regexp.MustCompile(`^Syntax error: (.*)$`)
	selectionError  = regexp.MustCompile(`^type '(.*)' does not support field selection$`)
	typeError       = regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`)
	rangeError      = regexp.MustCompile(`^expression of type '(.*)' cannot be range of a comprehension`)
)

// plainWords say what errors mean that need no more than being said plainly.
var plainWords = []struct{ says, means, hint string }{
	{"invalid duration argument", "this is no duration that CEL reads", "write days(14), or duration('36h')"},
	{"invalid timestamp argument", "this is no time", "write one such as timestamp('2026-12-31T18:00:00Z')"},
	{"recursion limit exceeded", fmt.Sprintf("too much lies in one another here, the most is %d levels", maxNesting), ""},
	{"exceeds nesting limit", fmt.Sprintf("too many loops lie in one another, the most is %d", maxLoops), ""},
	{"expression node limit", fmt.Sprintf("the expression has too many parts, the most is %d", maxExpressionAST), ""},
}

// inWords says what an error that CEL found means, with a hint.
func (x *expression) inWords(e *cel.Error) (message, hint string) {
	if m := undeclaredError.FindStringSubmatch(e.Message); m != nil {
		return x.undeclared(e.ExprID, m[1])
	}
	if m := undefinedError.FindStringSubmatch(e.Message); m != nil {
		return x.undefined(e.ExprID, m[1])
	}
	if m := overloadError.FindStringSubmatch(e.Message); m != nil {
		return mismatch(m[1], m[2])
	}
	if m := selectionError.FindStringSubmatch(e.Message); m != nil {
		return fmt.Sprintf("a value of type %s has no facts", m[1]), ""
	}
	if m := typeError.FindStringSubmatch(e.Message); m != nil {
		return fmt.Sprintf("a value of type %s is wanted here, this is of type %s", m[1], m[2]), ""
	}
	if m := rangeError.FindStringSubmatch(e.Message); m != nil {
		return fmt.Sprintf("a value of type %s is no list to go through", m[1]), ""
	}
	if m := syntaxError.FindStringSubmatch(e.Message); m != nil {
		text, _, _ := strings.Cut(m[1], " expecting {") // what follows is every token that there is
		return "this is no CEL: " + printable.Text(text, 160), ""
	}
	for _, w := range plainWords {
		if strings.Contains(e.Message, w.says) {
			return w.means, w.hint
		}
	}
	text, _, _ := strings.Cut(e.Message, "\n")
	return "this expression cannot be evaluated: " + printable.Text(text, 200), ""
}

// exprByID returns a node of the expression as it was parsed; nil if there is none.
func (x *expression) exprByID(id int64) (found ast.Expr) {
	if x.parsed == nil {
		return nil
	}
	walk(x.parsed.Expr(), func(e ast.Expr) {
		if e.ID() == id && found == nil {
			found = e
		}
	})
	return found
}

func (x *expression) undeclared(id int64, name string) (message, hint string) {
	if e := x.exprByID(id); e != nil && e.Kind() == ast.CallKind {
		return "there is no function " + quote(name), alike(name, functionNames())
	} else if e != nil && e.Kind() == ast.StructKind {
		return "an expression cannot make things such as " + quote(name), ""
	}
	first, _, dotted := strings.Cut(name, ".")
	candidates := append(factsOf.names(), sortedKeys(constants)...)
	switch hint = alike(first, candidates); {
	case hint != "" && !dotted:
	case withFact(name) != "":
		hint = "did you mean " + quote(withFact(name)) + "?"
	case hint == "":
		hint = "there are: " + strings.Join(factsOf.names(), ", ")
	}
	return "there is no fact " + quote(name), hint
}

// withFact returns where a fact is found that was written alone, such as update.size for size.
func withFact(name string) string {
	for _, t := range []*factType{updateFacts, requestFacts, clientFacts, contentsFacts, changesFacts} {
		if t.by[name] != nil {
			return singles[t] + name
		}
	}
	return ""
}

// functionNames are the functions and macros that expressions may use.
func functionNames() []string {
	out := append(slices.Clone(ownFunctions), macros...)
	for _, name := range operations {
		if name[0] >= 'a' && name[0] <= 'z' {
			out = append(out, name)
		}
	}
	return out
}

// undefined names a fact that a thing does not have, and the nearest that it has.
func (x *expression) undefined(id int64, field string) (message, hint string) {
	e := x.exprByID(id)
	var t *factType
	if e != nil && e.Kind() == ast.SelectKind {
		t = typeOf(e.AsSelect().Operand())
	}
	if t != nil {
		return fmt.Sprintf("%s has no fact %s", t.name, quote(field)), nearest(field, t.names())
	}
	var all []string
	for _, t := range factTypes[1:] {
		all = append(all, t.names()...)
	}
	return "there is no fact " + quote(field), alike(field, all)
}

// typeOf returns what a chain of facts that begins with a variable leads to; nil if that is not known before types are checked.
func typeOf(e ast.Expr) *factType {
	var f *fact
	switch e.Kind() {
	case ast.IdentKind:
		f = factsOf.by[e.AsIdent()]
	case ast.SelectKind:
		if of := typeOf(e.AsSelect().Operand()); of != nil {
			f = of.by[e.AsSelect().FieldName()]
		}
	case ast.CallKind: // an element of a list
		if c := e.AsCall(); c.FunctionName() == "_[_]" && len(c.Args()) == 2 {
			if l := c.Args()[0]; l.Kind() == ast.IdentKind && factsOf.by[l.AsIdent()] != nil {
				f = factsOf.by[l.AsIdent()]
			}
		}
	}
	if f == nil {
		return nil
	}
	t := f.typ
	if t.Kind() == types.ListKind {
		t = t.Parameters()[0]
	}
	for _, ft := range factTypes {
		if ft.name == t.TypeName() {
			return ft
		}
	}
	return nil
}

// mismatch says that an operation does not fit its operands.
func mismatch(operation, signature string) (message, hint string) {
	operands := strings.TrimSuffix(strings.TrimPrefix(signature, "("), ")")
	switch {
	case operation == "_?_:_":
		return "what stands on both sides of : has to be of one type: " + operands, ""
	case operation == "_[_]":
		return "this has no elements: " + operands, ""
	case strings.Contains(operation, "_") && strings.Trim(operation, "_!-") != strings.Trim(operation, "!-") || operation == "@in" || operation == "!_" || operation == "-_":
		symbol := strings.TrimPrefix(strings.Trim(operation, "_"), "@")
		if strings.Contains(operands, "string") && strings.Contains(operands, "int") {
			hint = "a number stands without quotes: 2 * GiB"
		}
		return fmt.Sprintf("%s does not go with %s", quote(symbol), operands), hint
	}
	return fmt.Sprintf("the function %s does not take %s", quote(operation), signature), ""
}

// typeName names a type in a message.
func typeName(t *types.Type) string { return cel.FormatCELType(t) }
