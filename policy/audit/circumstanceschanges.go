package audit

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
)

// maxChangesBytes is how much of the changes against one release a record lists, in bytes of JSON.
const maxChangesBytes = 32 << 10

// boundedChanges keeps the counts of changes that are too many to list.
func (c *Circumstances) boundedChanges(list []policy.Changes) []policy.Changes {
	if len(list) > maxChannels {
		c.without("the changes on more channels than a record holds")
		return nil
	}
	if len(list) == 0 {
		return nil
	}
	out := slices.Clone(list)
	for i := range out {
		data, err := json.Marshal(out[i])
		if err != nil || len(data) > maxChangesBytes {
			out[i].Files = policy.ChangedFiles{}
			n := out[i].Counts
			out[i].LeftOut = n.Added + n.Removed + n.Changed + n.Unsigned + n.Resigned + n.Imports + n.Actions
			continue
		}
		var copied policy.Changes // of its own lists
		if json.Unmarshal(data, &copied) == nil {
			out[i] = copied
		}
		printableTexts(reflect.ValueOf(&out[i]))
	}
	return out
}

// printableTexts makes every text printable that v leads to.
func printableTexts(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		printableTexts(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				printableTexts(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			printableTexts(v.Index(i))
		}
	case reflect.String:
		v.SetString(printable.Text(v.String(), maxName))
	}
}

// beside leaves out the editions that the record has itself.
func (c *Circumstances) beside(editions []policy.Edition) *Circumstances {
	if c != nil && c.History != nil && len(editions) > 0 {
		h := *c.History
		h.Editions = nil
		c.History = &h
	}
	return c
}

// shrunkCircumstances keeps of what is too much for one record what the verdict can be made again from most often.
func shrunkCircumstances(c *Circumstances) *Circumstances {
	if c == nil {
		return nil
	}
	b := &Circumstances{Asked: c.Asked, Carried: c.Carried, LeftOut: slices.Clone(c.LeftOut)}
	b.Recalls = c.Recalls[:min(len(c.Recalls), 1)] // one is enough to refuse
	b.without("what else it was judged by is too much for a record")
	return b
}
