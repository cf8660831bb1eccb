package policy

import (
	"encoding/hex"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// maxExpressionErrors bounds how many errors are told of one expression.
const maxExpressionErrors = 10

// expression is one that is being read.
type expression struct {
	b      *builder
	n      node
	text   string
	places []place // of its characters in the file; nil if they could not be found there
	parsed *ast.AST
	bad    bool
	// patterns are the regular expressions in it.
	patterns patternCosts
}

// condition reads a CEL expression. What is wrong with it is added at its own place in the file.
func (b *builder) condition(n node) requirement {
	x := &expression{b: b, n: n, text: n.text()}
	if checkText(x.text) != nil || n.y.Tag != "!!str" {
		return nil // the check has said so
	}
	env, err := environment()
	if err != nil {
		b.add(n, "", "expressions cannot be evaluated: %v", err)
		return nil
	}
	x.places = b.source.places(n.y)
	checked := x.compile(env)
	if checked == nil {
		return nil
	}
	c := &condition{text: x.text, reads: map[string]bool{}, signed: map[string]*signedBy{}}
	x.patterns = patternCosts{}
	x.examine(checked, c)
	x.price(env, checked)
	if x.bad {
		return nil
	}
	if c.program, err = program(env, checked, x.patterns); err != nil {
		x.add(0, "", "%v", err)
		return nil
	}
	b.refersTo(c)
	b.scansRead(x, c)
	b.policy.asksClients = b.policy.asksClients || strings.Contains(c.text, "client")
	if len(c.reads) == 0 && len(c.signed) == 0 && !c.all {
		b.warn(n, "", "this expression refers to no fact, so it always comes out the same")
	}
	return c
}

// refersTo fills in which anchors a condition rests on.
func (b *builder) refersTo(c *condition) {
	for _, name := range sortedKeys(b.policy.anchors) {
		a := b.policy.anchors[name]
		if !a.evaluated() {
			continue
		}
		c.names = append(c.names, name)
		if c.all || c.signed[name] != nil {
			c.anchors = append(c.anchors, a)
		}
	}
}

// add adds an error about the part of the expression that begins at a character.
func (x *expression) add(offset int, hint, format string, args ...any) {
	x.bad = true
	var where at = x.n
	if offset >= 0 && offset < len(x.places) {
		where = x.places[offset]
	}
	x.b.add(where, hint, format, args...)
}

// offset returns the character at which a node of the expression begins.
func (x *expression) offset(a *ast.AST, e ast.Expr) int {
	if r, ok := a.SourceInfo().GetOffsetRange(e.ID()); ok {
		return int(r.Start)
	}
	return 0
}

// compile parses and checks the expression; nil if something is wrong.
func (x *expression) compile(env *cel.Env) *cel.Ast {
	parsed, issues := env.Parse(x.text)
	if issues.Err() == nil {
		x.parsed = parsed.NativeRep()
		var checked *cel.Ast
		if checked, issues = env.Check(parsed); issues.Err() == nil {
			if t := checked.OutputType(); !t.IsExactType(types.BoolType) {
				x.add(0, "", "an expression has to come out true or false, this is of type %s", typeName(t))
				return nil
			}
			return checked
		}
	}
	seen := map[string]bool{}
	for i, e := range issues.Errors() {
		if i == maxExpressionErrors {
			break
		}
		message, hint := x.inWords(e)
		offset := x.at(e.Location.Line(), e.Location.Column())
		if key := fmt.Sprint(offset, message); !seen[key] {
			seen[key] = true
			x.add(offset, hint, "%s", message)
		}
	}
	if !x.bad {
		x.add(0, "", "this expression cannot be read")
	}
	return nil
}

// at returns the character at a line from 1 and a column from 0; 0 if there is none.
func (x *expression) at(line, column int) int {
	runes := []rune(x.text)
	offset := 0
	for ; line > 1; line-- {
		i := slices.Index(runes[offset:], '\n')
		if i < 0 {
			return 0
		}
		offset += i + 1
	}
	if column < 0 || offset+column > len(runes) {
		return 0
	}
	return nameAt(runes, min(offset+column, max(len(runes)-1, 0)))
}

// nameAt returns where a name begins that CEL places by what stands beside it: a fact by the dot before it, a function by the bracket behind it.
func nameAt(text []rune, i int) int {
	if i >= len(text) {
		return i
	}
	switch text[i] {
	case '.':
		for i+1 < len(text) && (text[i] == '.' || unicode.IsSpace(text[i])) {
			i++
		}
	case '(':
		j := i
		for j > 0 && (text[j-1] == '_' || unicode.IsLetter(text[j-1]) || unicode.IsDigit(text[j-1])) {
			j--
		}
		return j
	}
	return i
}

// examine looks at what the expression refers to, and adds what a type check does not find.
func (x *expression) examine(checked *cel.Ast, c *condition) {
	a := checked.NativeRep()
	walk(a.Expr(), func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			x.identifier(strings.TrimPrefix(e.AsIdent(), "."), c)
		case ast.CallKind:
			x.call(a, e, c)
		case ast.ComprehensionKind:
			x.shadows(a, e)
			x.vacuous(e)
		}
	})
}

// identifier notes a variable. One of a loop that has its name counts, too: rather more is looked at than too little.
func (x *expression) identifier(name string, c *condition) {
	if factsOf.by[name] == nil {
		return
	}
	c.reads[name] = true
	switch name {
	case "findings", "signers", "attestations":
		c.own, c.all = true, true
	case "contents":
		c.all, c.opens = true, true
	case "changes":
		c.own, c.all, c.opens = true, true, true
	}
}

// shadows refuses variables of loops that hide a fact or constant.
func (x *expression) shadows(a *ast.AST, e ast.Expr) {
	name := e.AsComprehension().IterVar()
	_, constant := constants[name]
	if constant || factsOf.by[name] != nil {
		x.add(x.offset(a, e), "", "the variable %s has the name of a fact; call it something else", quote(name))
	}
}

// vacuous notes a list of signers that is asked for what all of them are: of an empty list everything is true.
func (x *expression) vacuous(e ast.Expr) {
	c := e.AsComprehension()
	list := c.IterRange()
	if list.Kind() != ast.IdentKind || c.AccuInit().Kind() != ast.LiteralKind || c.AccuInit().AsLiteral() != types.True {
		return
	}
	name := list.AsIdent()
	if (name == "signers" || name == "attestations" || name == "findings") && !strings.Contains(x.text, "size(") && !strings.Contains(x.text, name+".exists") {
		x.b.warn(x.n, "add size("+name+") > 0 &&, if that is not meant", "this expression holds if %s is empty, since all() is true of an empty list", name)
	}
}

// literal returns the text that an argument consists of.
func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

func (x *expression) call(a *ast.AST, e ast.Expr, c *condition) {
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case "signed_by":
		x.signedBy(a, args[0], c)
	case "has_finding", "has_finding_inside":
		inside := name == "has_finding_inside"
		c.all, c.opens, c.own = true, c.opens || inside, c.own || !inside
		if code, ok := literal(args[0]); ok && !strings.Contains(code, "/") {
			x.add(x.offset(a, args[0]), "", "%s is no code of a finding, which has a slash in it, such as authenticode/padding-data", quote(code))
		}
	case "matches":
		x.pattern(a, args[len(args)-1])
	case "_<_", "_<=_", "_>_", "_>=_":
		for _, arg := range args {
			if f := factNamed(a, arg); f != nil && f.name == "version" {
				x.add(x.offset(a, e), "write newer_than('1.9'), which compares the update's version by the rules of its system", "versions cannot be told apart by %s: texts are compared letter by letter, and 10 would come before 9", strings.Trim(name, "_"))
			}
		}
	case "_==_", "_!=_", "@in":
		x.compared(a, e, args)
	}
}

// signedBy notes an anchor. It has to be written out, so that it is known beforehand what is asked for.
func (x *expression) signedBy(a *ast.AST, arg ast.Expr, c *condition) {
	name, ok := literal(arg)
	at := x.offset(a, arg)
	found := x.b.policy.anchors[name]
	switch {
	case !ok:
		x.add(at, "", "signed_by takes the name of an anchor, written out in quotes")
	case found == nil:
		x.add(at, nearest(name, sortedKeys(x.b.policy.anchors)), "there is no anchor %s", quote(name))
	case found.kind != "" && !found.evaluated():
		x.b.used[name] = true
		x.add(at, "", "anchor %s is of kind %s, which is not evaluated by this version", quote(name), found.kind)
	default:
		x.b.used[name] = true
		c.signed[name] = &signedBy{anchors: []*anchor{found}, threshold: 1}
	}
}

// pattern checks a regular expression, which has to be written out: what strangers say is never one.
func (x *expression) pattern(a *ast.AST, arg ast.Expr) {
	s, ok := literal(arg)
	if !ok {
		x.add(x.offset(a, arg), "", "matches takes a regular expression that is written out in quotes")
		return
	}
	parsed, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		x.add(x.offset(a, arg), "", "%s is no regular expression (RE2): %v", quote(s), err)
		return
	}
	if compiled, err := syntax.Compile(parsed.Simplify()); err == nil {
		x.patterns[s] = uint64(len(compiled.Inst))
	}
}

// factNamed returns the fact that an expression is; nil if it is none.
func factNamed(a *ast.AST, e ast.Expr) *fact {
	if e.Kind() != ast.SelectKind {
		return nil
	}
	of := a.GetType(e.AsSelect().Operand().ID())
	for _, t := range factTypes {
		if of != nil && of.TypeName() == t.name {
			return t.by[e.AsSelect().FieldName()]
		}
	}
	return nil
}

// compared checks what is compared: things cannot be, some facts have only some values, and names of anchors and groups have to lead somewhere.
func (x *expression) compared(a *ast.AST, e ast.Expr, args []ast.Expr) {
	for _, arg := range args {
		if t := a.GetType(arg.ID()); hasThings(t) {
			x.add(x.offset(a, arg), "", "%s cannot be compared; compare facts, or ask for the size of a list", typeName(t))
			return
		}
	}
	for i, arg := range args {
		f := factNamed(a, arg)
		if f == nil {
			continue
		}
		var words []ast.Expr
		if other := args[1-i]; other.Kind() == ast.ListKind {
			words = other.AsList().Elements()
		} else {
			words = []ast.Expr{other}
		}
		for _, w := range words {
			if s, ok := literal(w); ok {
				x.value(x.offset(a, w), f, s)
			}
		}
	}
}

// lower are the facts that are ASCII without capitals: what is compared with other text would never be the same, so that a list of
// what is refused would refuse nothing.
var lower = map[string]bool{"sha256": true, "fingerprint": true, "host": true, "scheme": true, "format": true}

// value checks a text that a fact is compared with.
func (x *expression) value(offset int, f *fact, s string) {
	switch {
	case f.words != nil && !contains(f.words, s):
		x.add(offset, alike(s, f.words), "%s is never %s: it is one of %s", f.name, quote(s), strings.Join(f.words, ", "))
	case lower[f.name] && s != strings.ToLower(s):
		x.add(offset, "write "+quote(strings.ToLower(s)), "%s is never %s: it is in lower case", f.name, quote(s))
	case lower[f.name] && strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) >= 0:
		x.add(offset, "", "%s is never %s: it is ASCII", f.name, quote(s))
	case f.name == "sha256" && !isDigest(s):
		x.add(offset, "", "%s is never %s: it has 64 hexadecimal digits", f.name, quote(s))
	case f.name == "anchors" && x.b.policy.anchors[s] == nil:
		x.add(offset, nearest(s, sortedKeys(x.b.policy.anchors)), "there is no anchor %s", quote(s))
	case f.name == "groups" && x.b.policy.clients[s] == nil:
		x.add(offset, nearest(s, sortedKeys(x.b.policy.clients)), "there is no group of clients %s", quote(s))
	}
}

// isDigest reports whether the fact sha256 can be s; of an inner file it can be empty.
func isDigest(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && (len(s) == 64 || s == "")
}

// hasThings reports whether values of a type are things that have facts, or hold some.
func hasThings(t *types.Type) bool {
	if t == nil {
		return false
	}
	return t.Kind() == types.StructKind || slices.ContainsFunc(t.Parameters(), hasThings)
}

// price refuses an expression that could take too long.
func (x *expression) price(env *cel.Env, checked *cel.Ast) {
	if x.bad {
		return
	}
	estimate, err := env.EstimateCost(checked, estimator{})
	switch {
	case err != nil:
		x.add(0, "", "what this expression costs cannot be estimated: %v", err)
	case estimate.Max > maxEstimate:
		x.add(0, "", "this expression could take too long: it goes through long lists again and again")
	}
}
