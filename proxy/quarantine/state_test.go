package quarantine

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

const stateSeed = `{"v":1,"sha256":"` + "abababababababababababababababababababababababababababababababab" +
	`","size":3,"scopes":{"a":{"state":"released","since":"2026-11-22T00:00:00Z","origin":{"name":"n","url":"u","record":"r"}}}}`

// A state file that does not say exactly what this package writes says nothing.
func TestStateFilesThatSayNothing(t *testing.T) {
	if d, err := parseState([]byte(stateSeed)); err != nil || d.Scopes["a"].State != Released {
		t.Fatalf("the seed: %+v, %v", d, err)
	}
	for name, change := range map[string][2]string{
		"version":       {`"v":1`, `"v":2`},
		"no version":    {`"v":1,`, ``},
		"digest":        {`"abab`, `"xbab`},
		"size":          {`"size":3`, `"size":-3`},
		"huge size":     {`"size":3`, `"size":9000000000000000000`},
		"state":         {`"released"`, `"freed"`},
		"held":          {`"released"`, `"held"`},
		"no state":      {`"state":"released",`, ``},
		"number":        {`"released"`, `2`},
		"no scopes":     {`"a":{`, `"a":null,"b":{`},
		"time":          {`2026`, `yesterday`},
		"half":          {`"r"}}}}`, `"r"`},
		"trailing data": {`"r"}}}}`, `"r"}}}}{}`},
		"long scope":    {`"a":`, `"` + strings.Repeat("a", maxScope+1) + `":`},
	} {
		line := strings.Replace(stateSeed, change[0], change[1], 1)
		if line == stateSeed {
			t.Fatalf("%s changes nothing", name)
		}
		if d, err := parseState([]byte(line)); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	many := strings.Repeat(`"x":{},`, 3)
	if _, err := parseState([]byte(strings.Replace(stateSeed, `"a":{`, many+`"a":{`, 1))); err == nil {
		t.Error("scopes without a state")
	}
	if _, err := parseState(make([]byte, maxStateFile+1)); err == nil {
		t.Error("a state of more than its limit")
	}
}

// Where a document runs out of room, the newest scope and evidence stay.
func TestOldestScopeGivesWay(t *testing.T) {
	d := document{Scopes: map[string]standing{}}
	at := func(i int) time.Time { return time.Unix(int64(i), 0) }
	d.put("evidence", standing{State: Quarantined, Since: at(0)})
	for i := range maxScopes + 3 {
		d.put(strings.Repeat("s", i+1), standing{State: Released, Since: at(100 - i)})
	}
	if len(d.Scopes) != maxScopes || d.Scopes["evidence"].State != Quarantined {
		t.Errorf("%d scopes, evidence %v", len(d.Scopes), d.Scopes["evidence"])
	}
	if _, ok := d.Scopes[strings.Repeat("s", maxScopes+3)]; !ok {
		t.Error("the newest gave way to itself")
	}
}

func TestShorten(t *testing.T) {
	for in, want := range map[string]string{"": "", "abcd": "abcd", "abcde": "abcd", "abcé": "abc", "éé": "éé", "ab\xffcd": "abc", "\xff\xff\xff\xff\xff": ""} {
		if got := shorten(in, 4); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(stateSeed))
	f.Add([]byte(strings.Replace(stateSeed, "released", "quarantined", 1)))
	f.Add([]byte(`{"v":1,"scopes":{"":{"state":"released"}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		d, err := parseState(line)
		if err != nil {
			return
		}
		if len(d.Scopes) == 0 || len(d.Scopes) > maxScopes || d.Size < 0 {
			t.Fatalf("accepted %+v", d)
		}
		for _, m := range d.marks() {
			if m.state == Held || checkScope(m.scope.Value()) != nil {
				t.Fatalf("accepted %q as %s", m.scope.Value(), m.state)
			}
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := parseState(again); err != nil || !sameMarks(d.marks(), second.marks()) {
			t.Fatalf("%v\n%+v\n%+v", err, d, second)
		}
	})
}

func sameMarks(a, b marks) bool {
	same := func(x, y mark) bool { return x.scope == y.scope && x.state == y.state && x.since.Equal(y.since) }
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x mark) bool {
		return !slices.ContainsFunc(b, func(y mark) bool { return same(x, y) })
	})
}

func FuzzUnseal(f *testing.F) {
	f.Add(seal([]byte(stateSeed)))
	f.Add([]byte("\n\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if line, err := unseal(data); err == nil && string(seal(line)) != string(data) {
			t.Fatalf("%q is not what seal makes of %q", data, line)
		}
		if line, err := unseal(seal(data)); err != nil || string(line) != string(data) {
			t.Fatalf("%q came back as %q, %v", data, line, err)
		}
	})
}
