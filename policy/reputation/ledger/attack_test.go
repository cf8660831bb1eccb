package ledger

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

func TestAClockThatWentBackMakesNothingOlder(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name   string
		clock  []string // of decisions about 1, 2, 3, ...
		digest int
		now    string
		want   string // "" for not known
	}{
		{"right all the time", []string{"2026-01-01", "2026-01-05", "2026-01-09"}, 2, "2026-02-01", "2026-01-05"},
		{"seen while it was back in 1970", []string{"2026-01-01", "2026-01-05", "1970-01-01", "2026-01-09"}, 3, "2026-02-01", "2026-01-05"},
		{"seen after it came back", []string{"2026-01-01", "1970-01-01", "2026-01-09"}, 3, "2026-02-01", "2026-01-09"},
		{"seen while it was ahead", []string{"2026-01-01", "2099-01-01", "2026-01-09"}, 2, "2026-02-01", ""},
		{"seen after it had been ahead", []string{"2026-01-01", "2099-01-01", "2026-01-09"}, 3, "2026-02-01", "2026-01-09"},
		{"ahead, then back", []string{"2026-01-01", "2099-01-01", "1970-01-01", "2026-01-09"}, 3, "2026-02-01", "2026-01-01"},
		{"back twice", []string{"2026-01-01", "1970-01-01", "1970-01-02", "2026-01-09", "2026-01-02"}, 5, "2026-02-01", "2026-01-09"},
		{"now the clock is back", []string{"2026-01-01", "2026-01-05"}, 2, "1970-01-01", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			for i, s := range c.clock {
				r.now = at(s)
				r.decide(allow(i + 1))
			}
			check := func(when string) {
				t.Helper()
				r.now = at(c.now)
				var want time.Time
				if c.want != "" {
					want = at(c.want)
				}
				if h := r.of(allow(c.digest)); !h.FirstSeen.Equal(want) {
					t.Errorf("%s: first seen %v, want %v", when, h.FirstSeen, want)
				}
			}
			check("at once")
			r.must(r.ledger.CatchUp(t.Context()))
			check("after the log was followed")
			r.close()
			os.Remove(r.dir + "/" + databaseFile)
			r.open()
			check("made anew")
		})
	}
}

func TestBytesSeenAgainAfterTheClockWasAheadAgeFromThen(t *testing.T) {
	r := newRig(t)
	r.now = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	r.decide(allow(1))
	r.now = day0
	r.decide(allow(1))
	r.now = day0.Add(48 * time.Hour)
	if h := r.of(allow(1)); !h.FirstSeen.Equal(day0) {
		t.Errorf("first seen %v", h.FirstSeen)
	}
	r.sameAsRebuilt()
}

func TestAnEarlierSightingSurvivesAClockThatWentBack(t *testing.T) {
	r := newRig(t)
	r.decide(allow(1))
	r.now = day0.AddDate(0, 6, 0)
	r.decide(allow(2))
	r.now = time.Unix(0, 0).UTC()
	r.decide(allow(1))
	r.now = day0.AddDate(1, 0, 0)
	if h := r.of(allow(1)); !h.FirstSeen.Equal(day0) {
		t.Errorf("first seen %v, want %v", h.FirstSeen, day0)
	}
}

func TestHostileNames(t *testing.T) {
	hostile := []string{
		"'); DROP TABLE artifacts; --", "a\x00b", "\xff\xfe", strings.Repeat("長", 5000), "\u202e\u2066gpj.exe", "%s%n", `{"a":[`, "", "\n\r\t", "REDACTED", "…",
	}
	r := newRig(t)
	for i, name := range hostile {
		u := allow(i).as(&policy.Edition{
			Channel: "vendor", Product: "P" + name, Version: "1" + name, System: name, Publishers: []string{name, name}, Proofs: []string{name},
		})
		u.url = "https://dl.example/" + strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), "")
		rec := u.record()
		rec.Artifact.Name, rec.Client.User = name, name
		rec.Contents = &audit.Contents{Files: 1, Inner: []audit.InnerFile{{Path: name, Format: "pe", Size: 3, SHA256: sum(1000 + i)}}}
		receipt, err := r.l.Append(rec)
		r.must(err)
		rec.ID, rec.Time = receipt.ID(), receipt.Time()
		r.ledger.Add(rec, &verify.Report{Contents: &verify.Contents{Inner: []verify.Inner{{Path: name, Format: "pe", Size: 3, SHA256: sum(1000 + i)}}}})
		h, err := r.ledger.Of(Query{SHA256: sum(i), Editions: rec.Editions, Now: r.now, Client: ClientName("10.0.0.1", name)})
		r.must(err)
		if p := h.Past["vendor"]; len(p.Releases) != 1 || h.Requests != 1 {
			t.Errorf("%q: %+v", name, h)
		}
		holders, err := r.ledger.Holders(t.Context(), sum(1000+i))
		if err != nil || len(holders) != 1 || holders[0].SHA256 != sum(i) {
			t.Errorf("%q: %+v, %v", name, holders, err)
		}
	}
	r.sameAsRebuilt()
}

func TestAHundredThousandInnerFiles(t *testing.T) {
	const files = 100_000
	report := &verify.Report{Contents: &verify.Contents{Files: files}}
	for i := range files {
		format := verify.Format("")
		if i%10 == 0 {
			format = "pe"
		}
		report.Contents.Inner = append(report.Contents.Inner, verify.Inner{
			Path: fmt.Sprintf("node_modules/%d/%s", i, strings.Repeat("x", i%90)), Format: format, Size: 10, SHA256: sum(100_000 + i),
		})
	}
	r := newRig(t)
	rec := allow(1).record()
	_, rec.Contents = audit.OfReport(*report)
	receipt, err := r.l.Append(rec)
	r.must(err)
	rec.ID, rec.Time = receipt.ID(), receipt.Time()
	r.ledger.Add(rec, report)
	last := sum(100_000 + files - 1)
	find := func(want int) {
		t.Helper()
		holders, err := r.ledger.Holders(t.Context(), last)
		if err != nil || len(holders) != want {
			t.Fatalf("%+v, %v", holders, err)
		}
	}
	find(1) // while it waits to be written
	r.must(r.ledger.CatchUp(t.Context()))
	find(1)
	if n := len(r.ledger.waiting.by); n != 0 {
		t.Errorf("%d still wait", n)
	}
	count := map[bool]int{}
	r.must(r.ledger.Each(t.Context(), func(d Digest) error { count[d.Inner]++; return nil }))
	if count[false] != 1 || count[true] != files {
		t.Errorf("%v digests", count)
	}

	// Made anew without the store of reports: what the record lists. With it: all.
	r.close()
	os.Remove(r.dir + "/" + databaseFile)
	r.open()
	find(0)
	r.close()
	os.Remove(r.dir + "/" + databaseFile)
	r.options.Report = func(verify.Digest) (verify.Report, error) { return *report, nil }
	r.open()
	find(0) // the record names no report
}

func TestTheWholeReportIsTakenFromTheStore(t *testing.T) {
	readme := verify.Inner{Path: "README", Size: 3, SHA256: sum(70)}
	tool := verify.Inner{Path: "tool.exe", Format: "pe", Size: 3, SHA256: sum(71)}
	empty := verify.Inner{Path: "empty", SHA256: sum(72)}
	report := verify.Report{Contents: &verify.Contents{Inner: []verify.Inner{readme, tool, empty}}}
	kept := map[verify.Digest]verify.Report{sum(90): report}
	r := newRig(t)
	rec := allow(1).record()
	rec.Report = sum(90)
	_, rec.Contents = audit.OfReport(report)
	_, err := r.l.Append(rec)
	r.must(err)
	for _, c := range []struct {
		name                       string
		report                     func(verify.Digest) (verify.Report, error)
		readme, tool, empty, again int
	}{
		{"no store", nil, 0, 1, 0, 1},
		{"lost", func(verify.Digest) (verify.Report, error) { return verify.Report{}, audit.ErrNoReport }, 0, 1, 0, 1},
		{"kept", func(d verify.Digest) (verify.Report, error) { return kept[d], nil }, 1, 1, 0, 1},
	} {
		r.close()
		os.Remove(r.dir + "/" + databaseFile)
		r.options.Report = c.report
		r.open()
		for digest, want := range map[int]int{70: c.readme, 71: c.tool, 72: c.empty, 1: c.again} {
			holders, err := r.ledger.Holders(t.Context(), sum(digest))
			if err != nil || len(holders) != want {
				t.Errorf("%s: %d: %+v, %v", c.name, digest, holders, err)
			}
		}
	}
}

func TestHoldersAreWhatWentOut(t *testing.T) {
	inner := []verify.Inner{}
	for i := range maxPaths + 3 {
		inner = append(inner, verify.Inner{Path: fmt.Sprintf("%02d.dll", i), Format: "pe", Size: 5, SHA256: sum(50)})
	}
	r := newRig(t)
	for i, u := range []update{
		{action: policy.Allow}, {action: policy.Block}, {action: policy.Block, observed: true}, {action: policy.Quarantine},
	} {
		u.digest, u.inner = i+1, inner
		r.decide(u)
	}
	r.must(r.ledger.CatchUp(t.Context()))
	holders, err := r.ledger.Holders(t.Context(), sum(50))
	r.must(err)
	if len(holders) != 2 || holders[0].SHA256 != sum(3) || holders[1].SHA256 != sum(1) || len(holders[0].Paths) != maxPaths || holders[0].More != 3 || holders[0].Name != "app-3.exe" {
		t.Errorf("%+v", holders)
	}
	if self, err := r.ledger.Holders(t.Context(), sum(1)); err != nil || len(self) != 1 || len(self[0].Paths) != 0 {
		t.Errorf("%+v, %v", self, err)
	}
	if none, err := r.ledger.Holders(t.Context(), sum(2)); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	id := r.decide(update{digest: 1, action: policy.Allow})
	r.decide(update{digest: 1, action: policy.Block})
	ids, err := r.ledger.Decisions(t.Context(), sum(1), 1)
	if err != nil || len(ids) != 1 || ids[0] != id {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := r.ledger.Decisions(t.Context(), sum(1), 10); err != nil || len(ids) != 2 {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := r.ledger.Decisions(t.Context(), sum(2), 10); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
}

func TestAddOfWhatWasNotAppendedIsNoHistory(t *testing.T) {
	r := newRig(t)
	var warned []string
	r.ledger.options.Warn = func(err error) { warned = append(warned, err.Error()) }
	r.ledger.follow.Lock() // so that nobody mends it meanwhile
	r.ledger.Add(allow(1).record(), nil)
	_, err := r.ledger.Of(r.query(allow(1)))
	r.ledger.follow.Unlock()
	if err == nil || len(warned) == 0 {
		t.Errorf("%v, %q", err, warned)
	}
}

func TestAddressesAndClientsAreNotInTheFiles(t *testing.T) {
	r := newRig(t)
	u := allow(1).at("https://secret-host.example/very-secret-path.exe").by("192.0.2.77")
	rec := u.record()
	rec.Client.User = "margarethe"
	receipt, err := r.l.Append(rec)
	r.must(err)
	rec.ID, rec.Time = receipt.ID(), receipt.Time()
	r.ledger.Add(rec, nil)
	r.close()
	b, err := os.ReadFile(r.dir + "/" + databaseFile)
	r.must(err)
	for _, personal := range []string{"secret", "192.0.2.77", "margarethe"} {
		if strings.Contains(string(b), personal) {
			t.Errorf("the database holds %q", personal)
		}
	}
	if !strings.Contains(string(b), "app-1.exe") {
		t.Error("the test looks in the wrong file")
	}
	r.open()
}
