package policy

import (
	"fmt"
	"reflect"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// The facts that expressions may refer to are written down once, in celfacts.go, as tables of these types. Type checking, evaluation,
// hints and the tables of LANGUAGE.md are held to them, so they cannot disagree.

const (
	maxFactText = 16 << 10 // bytes of a text that an expression may look at
	maxFactList = 200_000  // elements of a list that one may look at
)

// factType is a kind of thing that has facts: the update, a signer. An expression cannot make one.
type factType struct {
	name  string // in messages: "an update". With the space in it, it is no name that an expression could use.
	facts []fact
	cel   *types.Type
	by    map[string]*fact
}

// fact is something that is known, or not.
type fact struct {
	name    string
	typ     *types.Type
	doc     string   // what it means
	unknown string   // when it is not known; "" is never
	words   []string // the only values there are; nil is any
	get     func(*object) (any, error)
}

func newFactType(name string, facts ...fact) *factType {
	t := &factType{name: name, facts: facts, cel: types.NewObjectType(name), by: map[string]*fact{}}
	for i := range t.facts {
		t.by[t.facts[i].name] = &t.facts[i]
	}
	return t
}

func (t *factType) names() []string {
	out := make([]string, len(t.facts))
	for i, f := range t.facts {
		out[i] = f.name
	}
	return out
}

// notKnown is why a fact is not known. Whatever rests on it cannot be told.
type notKnown string

// Error implements error.
func (n notKnown) Error() string { return string(n) }

func unknown(format string, args ...any) error { return notKnown(fmt.Sprintf(format, args...)) }

// object is a thing with facts, while one expression is evaluated.
type object struct {
	typ  *factType
	in   *evaluation
	data any
}

// answer is a fact once it was looked up.
type answer struct {
	value any
	err   error
}

// fact returns a fact of the object, as an expression may see it. Those that there is one of are looked up once.
func (o *object) fact(f *fact) (any, error) {
	if _, single := singles[o.typ]; !single {
		return o.look(f)
	}
	a, ok := o.in.answers[f]
	if !ok {
		a.value, a.err = o.look(f)
		if o.in.answers == nil {
			o.in.answers = map[*fact]answer{}
		}
		o.in.answers[f] = a
	}
	return a.value, a.err
}

func (o *object) look(f *fact) (any, error) {
	v, err := f.get(o)
	if err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case string:
		if len(x) > maxFactText {
			return nil, unknown("%s has %d bytes, and no more than %d are looked at", f.name, len(x), maxFactText)
		}
		return strings.ToValidUTF8(x, "\uFFFD"), nil
	case []ref.Val:
		if len(x) > maxFactList {
			return nil, unknown("%s has %d elements, and no more than %d are looked at", f.name, len(x), maxFactList)
		}
		return newThingList(x, nil), nil
	}
	return v, nil
}

// has reports whether the object has a fact: it is known, and not empty, zero or false.
func (o *object) has(f *fact) bool {
	v, err := o.fact(f)
	if err != nil {
		return false
	}
	switch x := v.(type) {
	case string:
		return x != ""
	case bool:
		return x
	case int64:
		return x != 0
	case []string:
		return len(x) > 0
	case *thingList:
		return len(x.elements) > 0
	case *object:
		return !x.empty()
	}
	return true
}

// ConvertToNative implements ref.Val.
func (o *object) ConvertToNative(typeDesc reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s is no %s", o.typ.name, typeDesc)
}

// ConvertToType implements ref.Val.
func (o *object) ConvertToType(t ref.Type) ref.Val {
	return types.NewErr("%s cannot be made a %s", o.typ.name, t.TypeName())
}

// Equal implements ref.Val. Things are not compared, their facts are.
func (o *object) Equal(ref.Val) ref.Val {
	return types.NewErr("%s cannot be compared; compare its facts", o.typ.name)
}

// Type implements ref.Val.
func (o *object) Type() ref.Type { return o.typ.cel }

// Value implements ref.Val.
func (o *object) Value() any { return o }

// provider tells CEL which types there are, and which fields they have. It implements types.Provider.
type provider map[string]*factType

func (p provider) EnumValue(name string) ref.Val {
	return types.NewErr("there is no enumeration %s", name)
}

func (p provider) FindIdent(string) (ref.Val, bool) { return nil, false }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if t := p[name]; t != nil {
		return types.NewTypeTypeWithParam(t.cel), true
	}
	return nil, false
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if t := p[name]; t != nil {
		return t.names(), true
	}
	return nil, false
}

func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t := p[name]
	if t == nil || t.by[field] == nil {
		return nil, false
	}
	f := t.by[field]
	return &types.FieldType{
		Type: f.typ,
		IsSet: func(target any) bool {
			o, ok := target.(*object)
			if !ok || o.typ != t {
				return false
			}
			has := o.has(f)
			if !has {
				o.in.lacked(o, f)
			}
			return has
		},
		GetFrom: func(target any) (any, error) {
			o, ok := target.(*object)
			if !ok || o.typ != t {
				return nil, fmt.Errorf("%s is looked for where there is none", field)
			}
			v, err := o.fact(f)
			o.in.saw(t, f, v, err)
			return v, err
		},
	}, true
}

func (p provider) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("%s cannot be made by an expression", name)
}
