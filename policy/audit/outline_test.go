package audit

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// aLine is the line of a decision with everything that is taken apart, and its personal values.
func aLine(t testing.TB) rawRecord {
	t.Helper()
	p := circumstancesPolicy(t)
	f := circumstancesFacts(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))
	f.History.Requests, f.History.Allowed = 7, 3
	r := decision(1, policy.Allow)
	r.V, r.ID, r.Time = 1, "01M83QNM13FXZGF1RD9HPMQGEE", f.Now
	r.Facts, r.Editions, r.Report = CircumstancesOf(p, f), f.History.Editions, verify.Digest{9}
	r.Message = "a \"quoted\" <b>\\ €\u2028"
	line, values, err := encodeLeaf(r)
	if err != nil {
		t.Fatal(err)
	}
	return rawRecord{line, values}
}

func TestOutlinesDecodeAsDecodeOutlineDoes(t *testing.T) {
	raw := aLine(t)
	line := string(raw.line)
	with := func(from, to string) string {
		if !strings.Contains(line, from) {
			t.Fatalf("%q is not in %s", from, line)
		}
		return strings.Replace(line, from, to, 1)
	}
	tests := []struct {
		name, line string
		shared     bool // it is decoded without decodeOutline
	}{
		{"as it is", line, true},
		{"another number of requests", with(`"requests":7`, `"requests":8`), true},
		{"no requests", with(`,"requests":7,"allowed":3`, ``), true},
		{"requests beyond all numbers", with(`"requests":7`, `"requests":99999999999999999999`), false},
		{"requests as octal", with(`"requests":7`, `"requests":07`), false},
		{"a negative number", with(`"requests":7`, `"requests":-7`), false},
		{"an escape in the id", with(`"id":"01M`, `"id":"\u00301M`), true},
		{"bytes that are no UTF-8", with(`"id":"01M`, "\"id\":\"\xff01M"), true},
		{"a member twice", with(`"id":"`, `"id":"X","id":"`), false},
		{"another spelling", with(`"facts":`, `"Facts":`), false},
		{"both spellings", with(`"facts":`, `"Facts":{"carried":["x"]},"facts":`), false},
		{"another spelling of what is inside", with(`"past":`, `"Past":`), false},
		{"nothing", with(`"facts":{`, `"facts":null,"more":{`), false},
		{"a space", with(`"facts":{`, `"facts": {`), false},
		{"no records before", with(`"past":{`, `"past":{},"more":{`), true},
		{"no releases before", with(`"releases":[{`, `"releases":[],"more":[{`), true},
		{"members that nobody knows", with(`"v":1`, `"v":1,"new":{"facts":[{}]}`), true},
		{"no version", with(`"v":1`, `"v":0`), true},
		{"half of it", line[:len(line)/2], false},
		{"more of it", line + line, false},
		{"an open list", with(`"releases":[`, `"releases":[[`), false},
		{"a bracket that does not fit", with(`"releases":[`, `"releases":[}`), false},
		{"a commitment that is too short", with(`"addr":{"c":"`, `"addr":{"c":"AA==","d":"`), false},
		{"a time that is none", with(`"time":"2026-11`, `"time":"2026-13`), false},
		{"no object", `[]`, false},
		{"empty", `{}`, true},
		{"no bytes", ``, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOutlines()
			for range 2 { // the second time it is remembered
				if _, err := o.decode(raw); err != nil {
					t.Fatal(err)
				}
				checkOutline(t, o, rawRecord{[]byte(tt.line), raw.values})
			}
			var out outline
			if got := o.outlineOf([]byte(tt.line), &out) == len(tt.line); got != tt.shared && tt.line != "" {
				t.Errorf("shared: %t, want %t", got, tt.shared)
			}
		})
	}
}

// checkOutline compares what is shared with what is decoded alone.
func checkOutline(t *testing.T, o *outlines, raw rawRecord) {
	t.Helper()
	before := string(raw.line)
	got, err := o.decode(raw)
	want, wrong := decodeOutline(raw)
	if (err == nil) != (wrong == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%s\ngot  %+v, %v\nwant %+v, %v", raw.line, got, err, want, wrong)
	}
	if string(raw.line) != before {
		t.Error("the line was changed")
	}
}

// A record that came before must not show in one that comes later.
func TestOutlinesDoNotMixRecords(t *testing.T) {
	raw := aLine(t)
	o := newOutlines()
	first, err := o.decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	for i, change := range []string{`"requests":7|"requests":9`, `"at":"2026-11-18T10:00:00Z"|"at":"2026-11-17T10:00:00Z"`, `"rule":"|"rule":"x`} {
		from, to, _ := strings.Cut(change, "|")
		if !strings.Contains(string(raw.line), from) {
			t.Fatalf("%d: %q is not in %s", i, from, raw.line)
		}
		checkOutline(t, o, rawRecord{[]byte(strings.Replace(string(raw.line), from, to, 1)), raw.values})
	}
	if after, _ := json.Marshal(first); string(after) != string(before) {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

func FuzzOutlines(f *testing.F) {
	raw := aLine(f)
	f.Add(raw.line)
	f.Add([]byte(`{"v":1,"kind":"tunnel","id":"x","time":"2026-11-20T10:00:00Z","tunnel":{"host":"h"}}`))
	f.Add([]byte(`{"v":1,"kind":"k","id":"x","facts":{"history":{"past":{"a":{"releases":[{"at":"2026-11-20T10:00:00Z"}]}}}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		o := newOutlines()
		o.decode(raw)
		for range 2 {
			checkOutline(t, o, rawRecord{line, nil})
		}
	})
}

func TestReportsAreDecodedAsJSONIs(t *testing.T) {
	report := aReport("app")
	report.Contents = &verify.Contents{Files: 3, Inner: []verify.Inner{
		{Path: "a\"\u00e9.dll", Format: "pe", Size: 1, SHA256: verify.Digest{1}, Facts: map[string]string{"company": "Acme"}, Taps: map[string][]byte{"x": {1}}},
		{Path: "b.dll", Format: "pe", Size: 2, SHA256: verify.Digest{2}, Facts: map[string]string{"company": "Acme"}},
		{Path: "c.txt"},
	}}
	report.Findings = append(report.Findings, verify.Finding{Subject: "b.dll", Method: "authenticode", Status: verify.Valid, Anchors: []string{"x"}})
	body, err := exactJSON(report)
	if err != nil {
		t.Fatal(err)
	}
	var r verify.Report
	if newReports().reportOf(body, &r) != len(body) {
		t.Error("it is not taken apart")
	}
	for _, change := range []string{"|", `"path":"b.dll"|"Path":"b.dll"`, `"subject":"b.dll"|"subject":null`, `"size":2|"size":2.5`, `"size":2|"size":2e3`, `"inner":[|"inner":null,"more":[`, `"findings":[|"findings":[],"more":[`,
		`"findings":[|"findings":null,"more":[`, `"contents":{|"contents":null,"more":{`, `"findings":[|"findings":[],"findings":[`} {
		from, to, _ := strings.Cut(change, "|")
		if !strings.Contains(string(body), from) {
			t.Fatalf("%q is not in %s", from, body)
		}
		checkReport(t, []byte(strings.Replace(string(body), from, to, 1)))
	}
}

func checkReport(t *testing.T, body []byte) {
	t.Helper()
	var want verify.Report
	wrong := json.Unmarshal(body, &want)
	got, err := decodeReport(body)
	if (err == nil) != (wrong == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%s\ngot  %+v, %v\nwant %+v, %v", body, got, err, want, wrong)
	}
}

func FuzzDecodeReport(f *testing.F) {
	body, err := exactJSON(aReport("app"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"findings":[{"subject":"","method":"x","status":"valid","code":"y"}],"contents":{"files":1,"inner":[{"path":"a","size":1}]}}`))
	f.Fuzz(checkReport)
}
