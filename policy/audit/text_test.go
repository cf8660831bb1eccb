package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

func TestRedactURL(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"https://h.example/a/b.exe", "https://h.example/a/b.exe"},
		{"https://h.example/a?x=1&y=secret", "https://h.example/a?x=REDACTED&y=REDACTED"},
		{"https://h.example/a?x=1;y=a=b&versions", "https://h.example/a?x=REDACTED;y=REDACTED&versions"},
		{"https://h.example/a?eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.x", "https://h.example/a?REDACTED"},
		{"https://bob:pw@h.example/a#token=1", "https://h.example/a"},
		{"https://h.example/a?x=REDACTED", "https://h.example/a?x=REDACTED"},
		{"InRelease?sig=1", "InRelease?sig=REDACTED"},
		{"http://bob:pw@h.example/%zz?x=secret#f", "http://h.example/%zz?x=REDACTED"},
		{"http://bob:p/w@h.example/%zz?x=secret", "http://bob:p/w@h.example/%zz?x=REDACTED"},
		{"h.example:443", "h.example:443"},
		{"", ""},
	} {
		got := RedactURL(c.in)
		if got != c.want {
			t.Errorf("RedactURL(%q) = %q, want %q", c.in, got, c.want)
		}
		if again := RedactURL(got); again != got {
			t.Errorf("RedactURL(%q) = %q: not the same again", got, again)
		}
	}
}

func TestAppendRedactsAndMakesPrintable(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	hostile := "x\x1b[2J\u202egnp.exe\r\nInjected: 1\xff" + strings.Repeat("long ", 10000)
	r := Record{
		Kind: KindDecision, Channel: "c", Message: hostile,
		Client:   &Client{Addr: hostile, User: hostile},
		Request:  &Request{Method: hostile, URL: "https://bob:pw@h.example/a?token=hush&b=" + hostile},
		Artifact: &Artifact{Name: hostile, SHA256: digest(1), Product: hostile, Version: hostile, Format: verify.Format(hostile)},
		Evidence: []verify.Reference{{URL: "https://h.example/?k=hush", Result: hostile}},
		Decision: &Decision{Rule: hostile, Reasons: []string{hostile}, Policy: hostile},
	}
	for range 1000 {
		r.Findings = append(r.Findings, Finding{Method: "m", Code: "m/x", Subject: hostile, Signer: hostile, Detail: hostile, Status: verify.Valid, Anchors: []string{hostile}})
		r.Evidence = append(r.Evidence, r.Evidence[0])
		r.Decision.Reasons = append(r.Decision.Reasons, hostile)
	}
	r.Findings[900].Status = verify.Invalid
	id := appendTest(t, l, r).ID()
	got, err := Show(t.Context(), dir, id)
	if err != nil {
		t.Fatal(err)
	}
	line, err := encodeLine(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(line), "hush") || strings.Contains(string(line), "bob:pw") {
		t.Error("a secret of a URL is in the record")
	}
	for _, c := range string(line) {
		if c != ' ' && !unicode.IsPrint(c) {
			t.Fatalf("the record holds %U", c)
		}
	}
	if n := utf8.RuneCountInString(got.Findings[0].Signer); n > maxWord {
		t.Errorf("a signer of %d runes", n)
	}
	if n := len(got.Findings); n != maxList {
		t.Errorf("%d findings", n)
	}
	if last := got.Findings[len(got.Findings)-1]; last.Code != "audit/left-out" || !strings.Contains(last.Detail, "745") {
		t.Errorf("the last finding does not say what is left out: %+v", last)
	}
	if !slices.ContainsFunc(got.Findings, func(f Finding) bool { return f.Status == verify.Invalid }) {
		t.Error("the one finding that counts against the artifact was left out")
	}
	if len(r.Findings) != 1000 || r.Findings[0].Detail != hostile || r.Artifact.Name != hostile {
		t.Error("Append changed the caller's record")
	}
	wantSound(t, dir, 1)
}

func TestFindingFromIsBounded(t *testing.T) {
	f := FindingFrom(verify.Finding{
		Method: "apt", Status: verify.Untrusted, Code: "apt/unknown-key", Detail: strings.Repeat("ü", 5000),
		Signer: verify.Identity{Name: "\x1b" + strings.Repeat("n", 500), Fingerprint: "AB"},
	})
	if n := utf8.RuneCountInString(f.Detail); n != maxText {
		t.Errorf("a detail of %d runes", n)
	}
	if n := utf8.RuneCountInString(f.Signer); n != maxWord || !strings.HasPrefix(f.Signer, `\x1b`) {
		t.Errorf("signer %q, %d runes", f.Signer[:8], n)
	}
	if f := FindingFrom(verify.Finding{Signer: verify.Identity{Fingerprint: "AB"}}); f.Signer != "AB" {
		t.Errorf("signer %q", f.Signer)
	}
}

func TestDecisionFromKeepsWhatWasDecided(t *testing.T) {
	d := DecisionFrom(policy.Decision{Action: policy.Allow, Rule: "release X", Policy: verify.Digest{1}})
	if d.Action != policy.Allow || d.Observed || d.Reasons == nil || d.Policy != "sha256:01"+strings.Repeat("0", 62) {
		t.Errorf("%+v", d)
	}
}

func TestIDsSortAlsoWhenTheClockJumpsBack(t *testing.T) {
	var g ids
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	last := ""
	for i := range 20000 {
		now := at
		switch i % 4 {
		case 1:
			now = at.Add(-time.Hour)
		case 2:
			at = at.Add(time.Millisecond)
			now = at
		}
		id := g.next(now)
		if len(id) != idLength || id <= last || !validID(id) || normalID(strings.ToLower(id)) != id {
			t.Fatalf("%q follows %q", id, last)
		}
		last = id
	}
	g.lo = 1<<64 - 2
	before := encodeID(g.hi, g.lo)
	if id := g.next(time.Time{}); id <= before {
		t.Errorf("%q follows %q", id, before)
	}
}

func TestIDsSortAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	last := ""
	for range 4 {
		l := openTest(t, dir, Options{Now: func() time.Time { return now }})
		id := appendTest(t, l, Record{Kind: KindStart}).ID()
		closeTest(t, l)
		if id <= last {
			t.Errorf("%s follows %s", id, last)
		}
		last = id
		now = now.Add(-time.Hour)
	}
}

func TestNormalID(t *testing.T) {
	const id = "01KABCDEFGHJKMNPQRSTVWXYZ0"
	for _, typed := range []string{id, strings.ToLower(id), "01ka-bcdef-ghjkm-npqrs-tvwxy-z0", "OIKABCDEFGHJKMNPQRSTVWXYZO", "0LKABCDEFGHJKMNPQRSTVWXYZ0"} {
		if got := normalID(typed); got != id {
			t.Errorf("normalID(%q) = %q", typed, got)
		}
	}
	for _, other := range []string{"", "R2", "ticket-1", strings.Repeat("Z", 26)} {
		if got := normalID(other); got != other {
			t.Errorf("normalID(%q) = %q", other, got)
		}
	}
}

func TestRecordTooLargeAfterAllIsShrunk(t *testing.T) {
	wide := strings.Repeat("漢", maxText)
	r := decision(1, policy.Block)
	r.V, r.ID = 1, "R"
	for i := range maxList {
		r.Findings = append(r.Findings, Finding{Method: "m", Code: fmt.Sprint(i), Subject: wide, Detail: wide, Status: verify.Invalid})
		r.Decision.Reasons = append(r.Decision.Reasons, wide)
	}
	line, _, err := encodeLeaf(bounded(r))
	if err != nil || len(line) > maxRecord {
		t.Fatalf("%d bytes, %v", len(line), err)
	}
	if l, err := decodeLeaf(line); err != nil || l.Decision.Action != policy.Block || len(l.Findings) != maxList {
		t.Errorf("%v, %d findings", err, len(l.Findings))
	}
}
