package audit

import (
	"encoding/json"
	"maps"
	"reflect"
	"testing"
)

func TestWithoutSkipped(t *testing.T) {
	for in, want := range map[string]string{
		`{"v":1,"findings":[{"a":"]}\"\\"}],"id":"x"}`:             `{"v":1,"id":"x"}`,
		`{"v":1,"id":"x","contents":{"evidence":[1]}}`:             `{"v":1,"id":"x"}`,
		`{"v":1,"findings":[],"contents":{},"evidence":[],"z":{}}`: `{"v":1,"z":{}}`,
		`{"v":1,"x":{"findings":[1]}}`:                             `{"v":1,"x":{"findings":[1]}}`,
		`{"findings":[1],"v":1}`:                                   `{"findings":[1],"v":1}`,
		`{"v":1,"findings":[1}`:                                    `{"v":1,"findings":[1}`,
		`{"v":1,"findings":"\\"}`:                                  `{"v":1}`,
		`{"v":1, "findings":[1]}`:                                  `{"v":1, "findings":[1]}`,
		`{`:                                                        `{`,
		``:                                                         ``,
	} {
		if got := string(withoutSkipped([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

// FuzzWithoutSkipped checks that of a line that is JSON only those members go, and that they go only once the line could be read.
func FuzzWithoutSkipped(f *testing.F) {
	f.Add([]byte(`{"v":1,"kind":"decision","findings":[{"detail":"\"]}"}],"contents":{"inner":[]},"id":"x","evidence":[]}`))
	f.Add([]byte(`{"v":1,"findings":[1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		before := string(line)
		got := withoutSkipped(line)
		if string(line) != before {
			t.Fatal("the line was changed")
		}
		var all, left map[string]json.RawMessage
		if json.Unmarshal(line, &all) != nil {
			return
		}
		if err := json.Unmarshal(got, &left); err != nil {
			t.Fatalf("%q became %q: %v", line, got, err)
		}
		ours := func(name string, _ json.RawMessage) bool {
			return name == "findings" || name == "contents" || name == "evidence"
		}
		maps.DeleteFunc(all, ours)
		maps.DeleteFunc(left, ours)
		if !reflect.DeepEqual(all, left) {
			t.Errorf("%q became %q", line, got)
		}
	})
}
