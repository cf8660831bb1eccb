package regret

import (
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// Whoever is refused something very often hides nobody who got it before.
func TestManyRefusalsHideNobody(t *testing.T) {
	p := newPast(t)
	p.tracker.maxRead = 10
	first := p.decide("10.0.0.1", "app.zip", policy.Allow, nil)
	p.delivered(first)
	p.decide("10.0.0.2", "app.zip", policy.Block, func(r *audit.Record) { r.Decision.Observed = true })
	for range 300 {
		p.decide("10.0.0.3", "app.zip", policy.Block, nil)
	}
	recall := p.recall("app.zip", false)
	if n, err := p.tracker.Recalled(t.Context(), recall); err != nil || n != (Count{Artifacts: 1, Decisions: 2}) {
		t.Fatalf("%+v, %v", n, err)
	}
	p.want("a recall", "app.zip  auditor: 10.0.0.2 10.0.0.1+")
}

// What is inside popular updates and was fetched by itself once is found all the same.
func TestPopularHoldersHideNobody(t *testing.T) {
	p := newPast(t)
	p.tracker.maxRead = 10
	p.decide("10.0.0.1", "tool.exe", policy.Allow, nil)
	for range 300 {
		p.decide("10.0.0.2", "bundle.zip", policy.Allow, nil, "tool.exe")
	}
	recall := p.recall("tool.exe", false)
	if n, err := p.tracker.Recalled(t.Context(), recall); err != nil || n != (Count{Artifacts: 2, Decisions: 301}) {
		t.Fatalf("%+v, %v", n, err)
	}
	list, err := audit.List(t.Context(), filepath.Join(p.dir, "log"), audit.Filter{Kind: audit.KindRegret})
	if err != nil || len(list) != 2 {
		t.Fatalf("%d records, %v", len(list), err)
	}
	for _, r := range list {
		want := map[string]int{"tool.exe": 1, "bundle.zip": 300}[r.Artifact.Name]
		if r.Regret.Count != want || len(r.Regret.Allowed) != min(want, audit.MaxRegretted) {
			t.Errorf("%s: %d, %d listed, want %d", r.Artifact.Name, r.Regret.Count, len(r.Regret.Allowed), want)
		}
	}
}
