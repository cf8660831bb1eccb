package policy

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/parser"
)

// toldFunction is written by loops alone. It returns its second argument if its first can be told.
const toldFunction = "@told"

// told is that function. Like any but the logical ones it is an error if an argument is.
func told() cel.EnvOption {
	a, b := cel.TypeParamType("A"), cel.TypeParamType("B")
	return cel.Function(toldFunction, cel.Overload("told", []*cel.Type{a, b}, b, cel.BinaryBinding(func(_, then ref.Val) ref.Val { return then })))
}

// loops are CEL's macros over lists, but for what they ask of an element about which nothing can be told, such as the last one of a
// thingList: that cannot be told either, also where it does not look at the element. For there may be no such element at all.
func loops() []cel.Macro {
	return []cel.Macro{
		cel.ReceiverMacro("all", 2, overTold(parser.MakeAll)),
		cel.ReceiverMacro("exists", 2, overTold(parser.MakeExists)),
		cel.ReceiverMacro("exists_one", 2, overTold(parser.MakeExistsOne)),
		cel.ReceiverMacro("filter", 2, overTold(parser.MakeFilter)),
		cel.ReceiverMacro("map", 2, overTold(parser.MakeMap)),
		cel.ReceiverMacro("map", 3, overTold(parser.MakeMap)),
	}
}

// overTold has a macro ask what it asks of elements that can be told only.
func overTold(expand cel.MacroFactory) cel.MacroFactory {
	return func(h cel.MacroExprFactory, target ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		if args[0].Kind() != ast.IdentKind {
			return expand(h, target, args) // which says what is wrong
		}
		args = slices.Clone(args)
		for i := 1; i < len(args); i++ {
			args[i] = h.NewCall(toldFunction, h.NewIdent(args[0].AsIdent()), args[i])
		}
		return expand(h, target, args)
	}
}

// patternCosts is how many instructions the regular expressions of an expression have when compiled. It implements
// cost.ActualCostEstimator: in the worst case matching takes as long as the text is and as the instructions are many, and a short
// expression such as a{900} has many.
type patternCosts map[string]uint64

// instructionsPerStep is for how many instructions a byte of a text costs one step.
const instructionsPerStep = 40

// CallCost implements cost.ActualCostEstimator.
func (p patternCosts) CallCost(name, _ string, args []ref.Val, _ ref.Val) *uint64 {
	if name != "matches" || len(args) != 2 {
		return nil
	}
	text, _ := args[0].(types.String)
	pattern, _ := args[1].(types.String)
	steps := 1 + uint64(len(text)+1)*p[string(pattern)]/instructionsPerStep
	return &steps
}
