package policy

import (
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// thingList is a list of things with facts. With more set, nobody knows what else belongs into it: it is as if it ended in an element about
// which nothing can be told, and its size is not known either.
type thingList struct {
	elements []ref.Val
	more     error
}

func newThingList(elements []ref.Val, more error) *thingList { return &thingList{elements, more} }

// Add implements traits.Adder.
func (l *thingList) Add(other ref.Val) ref.Val {
	if l.more != nil {
		return types.WrapErr(l.more)
	}
	return l.plain().Add(other)
}

// Contains implements traits.Container.
func (l *thingList) Contains(v ref.Val) ref.Val {
	return types.NewErr("things cannot be compared; compare their facts")
}

// Get implements traits.Indexer.
func (l *thingList) Get(index ref.Val) ref.Val {
	i, ok := index.(types.Int)
	if l.more != nil && (!ok || i < 0 || int64(i) >= int64(len(l.elements))) {
		return types.WrapErr(l.more)
	}
	return l.plain().Get(index)
}

// Iterator implements traits.Iterable.
func (l *thingList) Iterator() traits.Iterator { return l.all().Iterator() }

// Size implements traits.Sizer.
func (l *thingList) Size() ref.Val {
	if l.more != nil {
		return types.WrapErr(l.more)
	}
	return types.Int(len(l.elements))
}

// Fold implements traits.Foldable.
func (l *thingList) Fold(f traits.Folder) {
	for i, v := range l.elements {
		if !f.FoldEntry(types.Int(i), v) {
			return
		}
	}
	if l.more != nil {
		f.FoldEntry(types.Int(len(l.elements)), types.WrapErr(l.more))
	}
}

// ConvertToNative implements ref.Val.
func (l *thingList) ConvertToNative(t reflect.Type) (any, error) { return l.plain().ConvertToNative(t) }

// ConvertToType implements ref.Val.
func (l *thingList) ConvertToType(t ref.Type) ref.Val {
	return types.NewErr("a list cannot be made a %s", t.TypeName())
}

// Equal implements ref.Val. An empty list can be told from one that is not, nothing else.
func (l *thingList) Equal(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	switch {
	case l.more != nil:
		return types.WrapErr(l.more)
	case ok && o.Size() == types.IntZero:
		return types.Bool(len(l.elements) == 0)
	case ok && len(l.elements) == 0:
		return types.False
	}
	return types.NewErr("things cannot be compared; compare their facts")
}

// Type implements ref.Val.
func (l *thingList) Type() ref.Type { return types.ListType }

// Value implements ref.Val.
func (l *thingList) Value() any { return l.elements }

func (l *thingList) plain() traits.Lister {
	return types.NewRefValList(types.DefaultTypeAdapter, l.elements)
}

// all is the list with an element about which nothing can be told, if there may be one.
func (l *thingList) all() traits.Lister {
	if l.more == nil {
		return l.plain()
	}
	return types.NewRefValList(types.DefaultTypeAdapter, append(l.elements[:len(l.elements):len(l.elements)], types.WrapErr(l.more)))
}
