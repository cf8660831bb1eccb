package policy

import (
	"fmt"
	"math"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// What an expression may cost. Lengths and counts are of what is written; steps are CEL's own units of cost, of about 20 to 100 ns.
const (
	maxExpression    = maxText       // characters
	maxExpressionAST = 1000          // nodes, macros expanded
	maxNesting       = 40            // levels of brackets and calls
	maxLoops         = 2             // all, exists, filter and map in one another
	maxRegexpSize    = 1000          // size of a compiled regular expression
	maxCost          = 5_000_000     // steps of one evaluation
	maxEstimate      = 1_000_000_000 // steps that it could take with as many files and findings as there can be
)

// The most that is expected of what lists and texts hold, for estimates.
const (
	expectedInner    = 50_000
	expectedFindings = 256
	expectedNames    = 64
	expectedText     = 256
)

// constants are what expressions may use besides facts.
var constants = map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

// macros and operations are those of CEL's standard library that are part of the language: what neither goes around type checking nor
// depends on anything but its operands. Functions of times in a named time zone would depend on the machine's tables.
var (
	macros     = []string{"has", "all", "exists", "exists_one", "filter", "map"}
	operations = []string{
		"_?_:_", "_&&_", "_||_", "!_", "@not_strictly_false", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_",
		"_+_", "_-_", "_*_", "_/_", "_%_", "-_", "_[_]", "@in",
		"size", "contains", "startsWith", "endsWith", "matches", "string", "int", "double", "timestamp", "duration",
		"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds",
	}
	ownFunctions = []string{"signed_by", "has_finding", "has_finding_inside", "newer_than", "days"}
)

// withTimeZone are overloads that look a time zone up.
var withTimeZone = map[string]string{
	"getFullYear": "timestamp_to_year", "getMonth": "timestamp_to_month", "getDate": "timestamp_to_day_of_month_1_based",
	"getDayOfMonth": "timestamp_to_day_of_month", "getDayOfWeek": "timestamp_to_day_of_week", "getDayOfYear": "timestamp_to_day_of_year",
	"getHours": "timestamp_to_hours", "getMinutes": "timestamp_to_minutes", "getSeconds": "timestamp_to_seconds",
}

// environment is the one in which all expressions are checked and evaluated.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	subset := env.NewLibrarySubset().AddIncludedMacros("has") // the others are in celloop.go
	for _, name := range operations {
		f := env.NewFunction(name)
		if id := withTimeZone[name]; id != "" {
			f.Overloads = []*env.Overload{{ID: id}}
		}
		subset = subset.AddIncludedFunctions(f)
	}
	p := provider{}
	for _, t := range factTypes {
		p[t.name] = t
	}
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(subset)),
		cel.CustomTypeProvider(p),
		cel.DefaultUTCTimeZone(true),
		cel.HomogeneousAggregateLiterals(),
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(maxLoops), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()),
		cel.RegexProgramSizeLimit(maxRegexpSize),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxNesting),
		cel.ExpressionNodeLimit(maxExpressionAST),
		cel.Macros(loops()...),
		told(),
		cel.Function("days", cel.Overload("days_int", []*cel.Type{cel.IntType}, cel.DurationType, cel.UnaryBinding(days))),
	}
	for _, name := range ownFunctions[:4] {
		options = append(options, cel.Function(name, cel.Overload(name+"_string", []*cel.Type{cel.StringType}, cel.BoolType, cel.LateFunctionBinding())))
	}
	for name, n := range constants {
		options = append(options, cel.Constant(name, cel.IntType, types.Int(n)))
	}
	for _, f := range factsOf.facts {
		options = append(options, cel.Variable(f.name, f.typ))
	}
	return cel.NewCustomEnv(options...)
})

// days is a duration of whole days.
func days(v ref.Val) ref.Val {
	n, ok := v.(types.Int)
	if !ok || n > math.MaxInt64/types.Int(24*time.Hour) || n < -math.MaxInt64/types.Int(24*time.Hour) {
		return types.NewErr("days(%v) overflows", v)
	}
	return types.Duration{Duration: time.Duration(n) * 24 * time.Hour}
}

// program makes an expression that was checked ready to be evaluated.
func program(e *cel.Env, checked *cel.Ast, patterns patternCosts) (cel.Program, error) {
	p, err := e.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostTracking(patterns), cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("preparing the expression: %w", err)
	}
	return p, nil
}

// estimator says how large facts can be. It implements cost.Estimator.
type estimator struct{}

func (estimator) EstimateCallCost(name, _ string, _ *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if name != toldFunction || len(args) != 2 {
		return nil
	}
	return &cost.CallEstimate{CostEstimate: cost.CostEstimate{Min: 1, Max: 1}, ResultSize: args[1].ComputedSize()}
}

func (estimator) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	most := uint64(expectedText)
	if n.Type().Kind() == types.ListKind {
		most = expectedNames
		if path := n.Path(); len(path) > 0 {
			switch last := path[len(path)-1]; {
			case path[0] == "contents" && (last == "inner" || last == "findings"):
				most = expectedInner
			case last == "findings" || last == "signers" || last == "attestations":
				most = expectedFindings
			}
		}
	}
	return &cost.SizeEstimate{Min: 0, Max: most}
}

// walk calls f for an expression and all that it consists of.
func walk(e ast.Expr, f func(ast.Expr)) {
	ast.PreOrderVisit(e, ast.NewExprVisitor(f))
}
