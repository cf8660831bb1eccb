package regret

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// What could not be found out, or not be written down, is tried again, a list that changes meanwhile included.
func TestWhatFailsIsTriedAgain(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.work()
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.decide("10.0.0.2", "tool.exe", policy.Allow, nil)
	recall := p.recall("tool.exe", false)
	warned := 0
	write := p.tracker.o.Append
	p.tracker.o.Warn = func(error) { warned++ }
	p.tracker.o.Append = func(audit.Record) (audit.Receipt, error) { return audit.Receipt{}, errors.New("disk full") }
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	if _, err := p.tracker.Recalled(t.Context(), recall); err == nil {
		t.Fatal("a recall is told of although it cannot be written down")
	}
	p.tracker.Again(recall)
	p.want("while the disk is full")
	if warned != 2 {
		t.Errorf("warned %d times", warned)
	}
	p.list(map[string]string{"bad": entry("ffmpeg.dll") + entry("other")})
	p.tracker.o.Append = write
	if n := p.tracker.takeUp(); n != 2 {
		t.Errorf("%d things are taken up again", n)
	}
	p.want("afterwards", "app.zip in/ffmpeg.dll feed bad: 10.0.0.1", "tool.exe  auditor: 10.0.0.2")
	if n := p.tracker.takeUp(); n != 0 {
		t.Errorf("%d things have failed again", n)
	}
}

// A decision about an update with very much inside does not wait until all of it was looked up in all that has changed.
func TestALargeUpdateDoesNotWait(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.work()
	var inside []string
	for i := range 2 * maxAtOnce {
		inside = append(inside, fmt.Sprint("file", i))
	}
	p.decide("10.0.0.1", "large.zip", policy.Allow, nil, inside...)
	if n := len(p.tracker.flights); n != 1 {
		t.Errorf("%d decisions are looked into behind their backs, want 1", n)
	}
	p.want("nothing bad inside")
	p.decide("10.0.0.1", "large.zip", policy.Allow, func(r *audit.Record) {
		r.Report = digest("report")
		p.reports[r.Report] = verify.Report{Contents: &verify.Contents{Inner: []verify.Inner{{Path: "in/ffmpeg.dll", SHA256: digest("ffmpeg.dll")}}}}
	}, inside...)
	p.want("something bad inside", "large.zip in/ffmpeg.dll feed bad: 10.0.0.1 10.0.0.1")
	if suspicious([]recent{{notice: &reputation.Notice{}}}, []reputation.Subject{{}}) {
		t.Error("everything is suspicious")
	}
}

// A decision that is recorded while the proxy stops is told of before it has.
func TestTheLastDecisionsAreLookedInto(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.list(map[string]string{"bad": entry("ffmpeg.dll")})
	p.work()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.tracker.Run(ctx, nil)
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.tracker.Finish(t.Context())
	if len(p.told) != 1 || p.told[0].Regret.Path != "in/ffmpeg.dll" {
		t.Errorf("%+v", p.told)
	}
	p.want("once", "app.zip in/ffmpeg.dll feed bad: 10.0.0.1")
}

// What a list has withdrawn, because it was a mistake, is not held against those who fetch it then.
func TestWhatWasWithdrawnIsNotRegretted(t *testing.T) {
	p := newPast(t)
	p.list(map[string]string{"bad": entry("nothing")})
	p.list(map[string]string{"bad": entry("ffmpeg.dll") + entry("tool.exe")})
	p.work()
	p.list(map[string]string{"bad": entry("nothing") + entry("tool.exe")})
	p.work()
	p.decide("10.0.0.1", "app.zip", policy.Allow, nil, "ffmpeg.dll")
	p.want("what is not listed any more")
	p.decide("10.0.0.1", "kit.zip", policy.Allow, nil, "tool.exe")
	p.want("what still is", "kit.zip in/tool.exe feed bad: 10.0.0.1")
}
