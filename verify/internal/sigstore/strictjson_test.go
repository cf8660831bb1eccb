package sigstore

import (
	"strconv"
	"strings"
	"testing"
)

func TestJSONIsReadInOneWayOnly(t *testing.T) {
	many := make([]string, 40)
	for i := range many {
		many[i] = strconv.Quote("name"+strconv.Itoa(i)) + ":1"
	}
	for _, tt := range []struct {
		text string
		want Code
	}{
		{`{"a":{"a":[1,{"a":2},{"a":3}]},"b":"a","c":"\"a\":"}`, ""},
		{`{` + strings.Join(many, ",") + `}`, ""},
		{`{` + strings.Join(many, ",") + `,"name7":2}`, Malformed},
		{`{"a":1,"a":2}`, Malformed},
		{`{"a":1,"\u0061":2}`, Malformed},
		{`[{"a":{"b":1,"c":[],"b":1}}]`, Malformed},
		{`{"a":1} {"a":1}`, Malformed},
		{`{"a":1,}`, Malformed},
		{"{\"a\":\"\xff\"}", Malformed},
		{strings.Repeat("[", 9) + strings.Repeat("]", 9), TooLarge},
		{strings.Repeat("[", 8) + strings.Repeat("]", 8), ""},
		{"[" + strings.Repeat("0,", 99) + "0]", TooLarge},
		{strings.Repeat("[", 100_000), Malformed},
	} {
		if err := checkJSON([]byte(tt.text), 8, 60); code(err) != tt.want {
			t.Errorf("%.40s: %v, want %q", tt.text, err, tt.want)
		}
	}
}
