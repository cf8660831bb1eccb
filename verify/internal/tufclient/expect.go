package tufclient

import (
	"time"
)

// expectSnapshot returns what is listed of the version of snapshot that somebody is downloading, and whether that is the newest.
func (s *state) expectSnapshot(d *document, want int64, at time.Time) (e listed, newest bool, err error) {
	if want == 0 {
		want = d.version
	}
	if s.timestamp == nil {
		return e, false, failf(UnknownVersion, d.role, "%s cannot be judged: no timestamp has been seen", d.what())
	}
	if s.inOverlap(at) && want == s.previous.timestamp.next.version && want != s.timestamp.next.version {
		return s.previous.timestamp.next, false, nil
	}
	if err := s.reachable(at); err != nil {
		return e, false, err
	}
	e = s.timestamp.next
	return e, true, order(d, want, e.version)
}

// expectTargets is expectSnapshot for top-level targets.
func (s *state) expectTargets(d *document, want int64, at time.Time) (e listed, newest bool, err error) {
	if want == 0 {
		want = d.version
	}
	if s.snapshot == nil {
		return e, false, failf(UnknownVersion, d.role, "%s cannot be judged: no snapshot has been seen", d.what())
	}
	if s.inOverlap(at) {
		if old, ok := s.previous.snapshot.meta.get(targetsFile); ok && want == old.version {
			if now, _ := s.snapshot.meta.get(targetsFile); want != now.version {
				return old, false, nil
			}
		}
	}
	if err := s.reachable(at); err != nil {
		return e, false, err
	}
	e, ok := s.snapshot.meta.get(targetsFile)
	if !ok {
		return e, false, failf(MixAndMatch, d.role, "%s does not list targets", s.snapshot.what())
	}
	return e, current(s.timestamp, s.snapshot), order(d, want, e.version)
}

func (s *state) inOverlap(at time.Time) bool { return s.previous != nil && at.Before(s.previous.until) }

// reachable returns an error if what comes before the snapshot has expired: then nothing that follows is fresh.
func (s *state) reachable(at time.Time) error {
	for _, d := range []*document{s.root.document, s.timestampDocument()} {
		if d == nil {
			continue
		}
		if err := d.expired(at); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) timestampDocument() *document {
	if s.timestamp == nil {
		return nil
	}
	return s.timestamp.document
}

// order judges a version that is asked for by the one that is listed.
func order(d *document, want, listed int64) error {
	switch {
	case want > listed:
		return failf(UnknownVersion, d.role, "version %d of %s cannot be judged: the newest that was seen to exist is %d", want, d.role, listed)
	case want < listed:
		return failf(Rollback, d.role, "version %d of %s is older than version %d, which is in force", want, d.role, listed)
	}
	return nil
}

func (s *state) expectDelegated(d *document, want int64, at time.Time) (e listed, newest bool, err error) {
	if want == 0 {
		want = d.version
	}
	e, ok := s.complete.snapshot.meta.get(d.role + ".json")
	if !ok {
		return e, false, failf(UnknownRole, d.role, "%s cannot be judged: %s does not list it", d.what(), s.complete.snapshot.what())
	}
	if want != e.version && s.inOverlap(at) {
		if old, ok := s.previous.snapshot.meta.get(d.role + ".json"); ok && want == old.version {
			return old, false, nil
		}
	}
	return e, true, order(d, want, e.version)
}
