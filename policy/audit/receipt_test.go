package audit

import (
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

func TestReceiptSettlesOnlyWhatWasDecided(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := openTest(t, t.TempDir(), Options{Now: func() time.Time { return now }})
	observed := func(a policy.Action) Record {
		r := decision(1, a)
		r.Decision.Observed = true
		return r
	}
	byHand := func(k Kind, until time.Time) Record {
		return Record{Kind: k, Release: &Release{SHA256: digest(1), Scope: "vendor", Until: until, Reason: "known good", By: "bob"}}
	}
	for _, c := range []struct {
		name     string
		record   Record
		digest   verify.Digest
		scope    string
		want     policy.Action
		observes bool
	}{
		{"allow", decision(1, policy.Allow), digest(1), "vendor", policy.Allow, false},
		{"allow, another artifact", decision(1, policy.Allow), digest(2), "vendor", policy.Block, false},
		{"allow, another scope", decision(1, policy.Allow), digest(1), "vendor+cdn", policy.Block, false},
		{"allow, no scope", decision(1, policy.Allow), digest(1), "", policy.Block, false},
		{"allow, no artifact", decision(1, policy.Allow), verify.Digest{}, "vendor", policy.Block, false},
		{"quarantine", decision(1, policy.Quarantine), digest(1), "vendor", policy.Quarantine, false},
		{"quarantine, another artifact", decision(1, policy.Quarantine), digest(2), "vendor", policy.Block, false},
		{"block", decision(1, policy.Block), digest(1), "vendor", policy.Block, false},
		{"allow in observe mode", observed(policy.Allow), digest(1), "vendor", policy.Block, true},
		{"quarantine in observe mode", observed(policy.Quarantine), digest(1), "vendor", policy.Quarantine, true},
		{"block in observe mode", observed(policy.Block), digest(1), "vendor", policy.Block, true},
		{"observe mode, another artifact", observed(policy.Block), digest(2), "vendor", policy.Block, false},
		{"observe mode, another scope", observed(policy.Block), digest(1), "other", policy.Block, false},
		{"release", byHand(KindRelease, time.Time{}), digest(1), "vendor", policy.Allow, false},
		{"release for a while", byHand(KindRelease, now.Add(time.Minute)), digest(1), "vendor", policy.Allow, false},
		{"release that ends now", byHand(KindRelease, now), digest(1), "vendor", policy.Block, false},
		{"release that has ended", byHand(KindRelease, now.Add(-time.Minute)), digest(1), "vendor", policy.Block, false},
		{"release, another artifact", byHand(KindRelease, time.Time{}), digest(2), "vendor", policy.Block, false},
		{"release, another scope", byHand(KindRelease, time.Time{}), digest(1), "other", policy.Block, false},
		{"reject", byHand(KindReject, time.Time{}), digest(1), "vendor", policy.Block, false},
		{"delivery", Record{Kind: KindDelivery, Channel: "vendor", Artifact: &Artifact{SHA256: digest(1)}, Delivery: &Delivery{}, Decision: &Decision{Action: policy.Allow, Observed: true}}, digest(1), "vendor", policy.Block, false},
	} {
		r := appendTest(t, l, c.record)
		if got := r.Settles(c.digest, c.scope); got != c.want {
			t.Errorf("%s: settles as %v, want %v", c.name, got, c.want)
		}
		if got := r.Observes(c.digest, c.scope); got != c.observes {
			t.Errorf("%s: observes %v, want %v", c.name, got, c.observes)
		}
		if r.Kind() != c.record.Kind || r.ID() == "" || r.IsZero() {
			t.Errorf("%s: kind %q, id %q", c.name, r.Kind(), r.ID())
		}
	}
}

func TestZeroReceiptPermitsNothing(t *testing.T) {
	var r Receipt
	for _, d := range []verify.Digest{{}, digest(1)} {
		if r.Settles(d, "") != policy.Block || r.Observes(d, "") || r.ID() != "" || !r.IsZero() {
			t.Error("the zero Receipt permits something")
		}
	}
}

func TestReleaseEndsWhileItsReceiptIsHeld(t *testing.T) {
	now := time.Now()
	l := openTest(t, t.TempDir(), Options{Now: func() time.Time { return now }})
	r := appendTest(t, l, Record{Kind: KindRelease, Release: &Release{SHA256: digest(1), Until: now.Add(time.Hour)}})
	if r.Settles(digest(1), "") != policy.Allow {
		t.Error("a release in force does not release")
	}
	now = now.Add(2 * time.Hour)
	if r.Settles(digest(1), "") != policy.Block {
		t.Error("a release that has ended still releases")
	}
}

func TestRecordsThatAreNotWhole(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	noDigest := decision(1, policy.Allow)
	noDigest.Artifact.SHA256 = verify.Digest{}
	noArtifact := decision(1, policy.Allow)
	noArtifact.Artifact = nil
	badID := decision(1, policy.Allow)
	badID.ID = "a\nb"
	badTime := decision(1, policy.Allow)
	badTime.Time = time.Date(123456, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, r := range []Record{
		{}, {Kind: "decisions"}, {Kind: KindDecision}, {Kind: KindDelivery}, {Kind: KindRelease}, {Kind: KindReject},
		{Kind: KindRelease, Release: &Release{}}, {Kind: KindTunnel}, noDigest, noArtifact, badID, badTime,
	} {
		if receipt, err := l.Append(r); err == nil || !receipt.IsZero() {
			t.Errorf("%+v was appended", r)
		}
	}
	if n, _ := l.Size(); n != 0 {
		t.Errorf("%d records", n)
	}
}
