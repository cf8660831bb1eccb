package console

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// remembered are recalls in memory, as a small working one.
type remembered struct {
	by  map[verify.Digest]policy.Recall
	got []audit.Record
	err error

	during func() // is called while it is found out who got something; nil: nothing is
}

func (r *remembered) Standing(artifact verify.Digest, report verify.Report) (out []policy.Recall) {
	digests := []verify.Digest{artifact}
	if report.Contents != nil {
		for _, in := range report.Contents.Inner {
			digests = append(digests, in.SHA256)
		}
	}
	for _, d := range digests {
		if found, ok := r.by[d]; ok {
			out = append(out, found)
		}
	}
	return out
}

func (r *remembered) Regret(_ context.Context, rec audit.Record) (Regretted, error) {
	r.got = append(r.got, rec)
	if r.during != nil {
		r.during()
	}
	return Regretted{Artifacts: 1, Decisions: 2}, r.err
}

func TestRecallIsRecordedAndRegretted(t *testing.T) {
	r := newRig(t)
	known := &remembered{by: map[verify.Digest]policy.Recall{}}
	r.operator.Recalls = known
	digest, _ := r.hold(t, "hello", "tools")
	recall := RecallOrder{SHA256: digest, Reason: "stolen key", By: "alice"}
	done, err := r.client.Recall(t.Context(), recall)
	if err != nil || done.Artifacts != 1 || done.Decisions != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	rec, err := r.operator.Record(done.Record)
	if err != nil || rec.Kind != audit.KindRecall || rec.Recall.SHA256 != digest || rec.Recall.Reason != "stolen key" || rec.Recall.By != "alice" || rec.Recall.Lifted {
		t.Errorf("%+v, %v", rec.Recall, err)
	}
	if len(known.got) != 1 || known.got[0].ID != done.Record {
		t.Errorf("regretted: %+v", known.got)
	}
	known.by[digest] = policy.Recall{Record: done.Record, SHA256: digest, Reason: "stolen key", By: "alice"}
	if _, err := r.client.Release(t.Context(), order(digest.String())); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), "recalled by alice") {
		t.Errorf("a release of what is recalled: %v", err)
	}
	for what, bad := range map[string]RecallOrder{"no digest": {Reason: "x"}, "no reason": {SHA256: digest}, "a lift of nothing": {SHA256: verify.Digest{1}, Reason: "x", Lift: true}} {
		if _, err := r.client.Recall(t.Context(), bad); err == nil {
			t.Errorf("%s is carried out", what)
		}
	}
	recall.Lift = true
	if done, err = r.client.Recall(t.Context(), recall); err != nil || len(known.got) != 1 {
		t.Errorf("a lift: %+v, %v", done, err)
	}
	delete(known.by, digest)
	if _, err := r.client.Release(t.Context(), order(digest.String())); err != nil {
		t.Errorf("after the lift: %v", err)
	}
	// A recall that is in force although who got it could not be found out says both.
	known.err, recall.Lift = errors.New("disk on fire"), false
	if done, err = r.client.Recall(t.Context(), recall); err == nil || done.Record == "" || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("%+v, %v", done, err)
	}
	r.fail = errors.New("disk full")
	if done, err = r.client.Recall(t.Context(), recall); err == nil || done.Record != "" {
		t.Errorf("without a record: %+v, %v", done, err)
	}
}

// To find out who got something that is inside thousands of updates may take long: orders do not wait for it.
func TestOrdersDoNotWaitForARecall(t *testing.T) {
	r := newRig(t)
	digest, _ := r.hold(t, "hello", "tools")
	released := errors.New("not released")
	known := &remembered{by: map[verify.Digest]policy.Recall{}}
	known.during = func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, released = r.operator.Release(t.Context(), order(digest.String()))
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("a release waits for a recall")
		}
	}
	r.operator.Recalls = known
	if _, err := r.operator.Recall(t.Context(), RecallOrder{SHA256: verify.Digest{7}, Reason: "stolen key", By: "alice"}); err != nil || released != nil {
		t.Errorf("%v, %v", err, released)
	}
}
