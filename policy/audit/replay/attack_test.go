package replay

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// rewritten replaces text in a log's records, as somebody does who has no key.
func rewritten(t *testing.T, r *rig, from, to string) {
	t.Helper()
	files, err := filepath.Glob(r.dir + "/log/records-*.jsonl")
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil || !bytes.Contains(data, []byte(from)) {
		t.Fatalf("%q is not in the records: %v", from, err)
	}
	if err := os.WriteFile(files[0], bytes.ReplaceAll(data, []byte(from), []byte(to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReplayCountsWhatItCannotRead(t *testing.T) {
	r := newRig(t)
	p := parse(t, signedByAcme)
	one := r.decide(p, r.facts(update, unsigned))
	r.decide(p, r.facts(update, unsigned))
	rewritten(t, r, `"id":"`+one.ID+`"`, `"id":["`+one.ID+`"]`)
	if got := r.run(p); got.Unreadable != 1 || got.Decisions != 1 {
		t.Errorf("got %+v", got)
	}
}

// A report that somebody puts in the place of another is not found by the digest that the record has.
func TestReplayOfARecordThatNamesAnotherReport(t *testing.T) {
	r := newRig(t)
	p := parse(t, signedByAcme)
	rec := r.decide(p, r.facts(update, unsigned))
	rewritten(t, r, rec.Report.String(), verify.Digest{1}.String())
	if got := r.run(p); got.Counts != (Counts{Open: 1}) {
		t.Errorf("got %+v", got.Counts)
	}
}

func TestReplayOfWhatWasOnlyObserved(t *testing.T) {
	r := newRig(t)
	observing := parse(t, "defaults: {mode: observe}\n"+signedByAcme)
	r.decide(observing, r.facts(update, unsigned)) // delivered
	if got := r.run(observing); got.Same != 1 {
		t.Errorf("observing as before: %+v", got)
	}
	got := r.run(parse(t, signedByAcme))
	if got.Counts != (Counts{Refused: 1}) || !got.Refused[0].Examples[0].Before.Observed {
		t.Errorf("enforcing: %+v", got)
	}
	loose := parse(t, strings.Replace(signedByAcme, "[{signed_by: [acme]}]", "[{if: \"update.size > 0\"}]", 1))
	if l := r.loosening(parse(t, signedByAcme), loose); l.Judged != 0 || l.Count != 0 {
		t.Errorf("what was delivered was no refusal: %+v", l)
	}
}

// What other gates may have written into a record before this version: neither report nor circumstances.
func TestReplayOfRecordsWithoutCircumstances(t *testing.T) {
	r := newRig(t)
	p := parse(t, signedByAcme)
	f := r.facts(update, by("Other Inc"))
	f.Now = r.at
	rec := recordOf(t, p, f, r.reports)
	rec.Facts, rec.Report = nil, verify.Digest{}
	if _, err := r.log.Append(rec); err != nil {
		t.Fatal(err)
	}
	if got := r.run(p); got.Counts != (Counts{Open: 1}) || !strings.Contains(got.Open[0].Why, "does not say what else") {
		t.Errorf("got %+v", got)
	}
	loose := parse(t, strings.Replace(signedByAcme, "[{signed_by: [acme]}]", "[{if: \"update.size > 0\"}]", 1))
	if l := r.loosening(p, loose); l.Count != 1 {
		t.Errorf("a policy that asks nothing: %+v", l)
	}
}

// Names that do not fit a terminal come out of the log as they were put in: printable.
func TestReplayOfHostileNames(t *testing.T) {
	r := newRig(t)
	p := parse(t, signedByAcme)
	f := r.facts(update, unsigned)
	f.Update.Name = strings.Repeat("\x1b]0;\u202eexe\x07", 10_000)
	r.decide(p, f)
	got := r.run(parse(t, "defaults: {mode: observe}\n"+signedByAcme))
	name := got.Allowed[0].Examples[0].Name
	if len(name) > 8<<10 || strings.ContainsAny(name, "\x1b\u202e\x07") {
		t.Errorf("the name is %.100q, %d bytes", name, len(name))
	}
}
