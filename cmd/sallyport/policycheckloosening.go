package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/audit/replay"
)

// loosenedAgainst says what a policy loosens against the one that is in force on a state; nothing where there is no state. named says
// that somebody has named it, who is told what goes wrong.
func (s *settings) loosenedAgainst(ctx context.Context, p *policy.Policy, named bool) ([]string, error) {
	_, dir, err := s.load()
	if err == nil && named {
		if _, _, missing := s.loadExisting(); missing != nil && s.state == "" && errors.Is(missing, fs.ErrNotExist) {
			return []string{fmt.Sprintf("nothing to compare with: no server has made the state directory %s yet", dir)}, nil
		}
		_, dir, err = s.loadExisting()
	}
	if err != nil {
		return nil, err
	}
	inForce, _, err := dir.lastPolicy()
	if err == nil && inForce != nil && inForce.Digest() != p.Digest() {
		var notes []string
		if notes, err = loosenedNotes(ctx, dir, inForce, p); err == nil {
			return notes, nil
		}
	}
	if err == nil && inForce == nil && named {
		return []string{fmt.Sprintf("nothing to compare with: no policy is kept in %s", dir)}, nil
	}
	if err != nil && named {
		return []string{"what it loosens could not be found out: " + printable.Text(err.Error(), 300)}, nil
	}
	return nil, nil
}

func loosenedNotes(ctx context.Context, dir stateDir, inForce, p *policy.Policy) ([]string, error) {
	reports, err := audit.ReadReports(dir.reports())
	if err != nil {
		return nil, err
	}
	defer reports.Close()
	l, err := replay.Loosening(ctx, replay.Guard{Log: dir.log(), Reports: reports, InForce: inForce, Next: p, Now: time.Now()})
	if err != nil {
		return nil, err
	}
	notes := loosenedSentences(l)
	if l.Any() {
		notes = append(notes, "so it comes into force only by `"+confirmCommand+"`")
	}
	return notes, nil
}
