package verifytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// subject is a case bound to the verifier under test.
type subject struct {
	test     Case
	verifier verify.Verifier
	vouchers int // how many findings vouch for the unchanged artifact
}

// artifact makes data what the gate would make of it.
func (s *subject) artifact(data []byte) *verify.Artifact {
	a := s.test.Artifact
	if a.Name == "" {
		a.Name = s.test.Name
	}
	if a.Format == "" {
		a.Format = verify.Sniff(data[:min(len(data), verify.SniffLen)], a.Name)
	}
	a.Size = int64(len(data))
	a.Digests = verify.Digests{SHA256: sha256.Sum256(data)}
	a.Content = bytes.NewReader(data)
	return &a
}

// verify runs the verifier through an Examiner, as the gate does, and lets no panic and no silence pass.
func (s *subject) verify(t *testing.T, data []byte, tapped bool) []verify.Finding {
	t.Helper()
	examiner := &verify.Examiner{
		Verifiers: []verify.Verifier{s.verifier},
		Panicked: func(method string, value any, stack []byte) {
			t.Errorf("%s panicked: %v\n%s", method, value, stack)
		},
	}
	a := s.artifact(data)
	if tapped {
		a.Digests.Taps = tapAll(examiner, data)
	}
	env := s.test.Env
	if s.test.NewEnv != nil {
		env = s.test.NewEnv()
	}
	return examiner.Examine(context.Background(), a, env).Findings
}

// tapAll shows data to the verifiers' Taps in pieces of uneven size.
func tapAll(e *verify.Examiner, data []byte) map[string][]byte {
	sums := map[string][]byte{}
	tap := e.Tap(data[:min(len(data), verify.SniffLen)])
	if tap == nil {
		return sums
	}
	for rest, step := data, 1; len(rest) > 0; step = step*3%8191 + 1 {
		n := min(step, len(rest))
		tap.Write(rest[:n])
		rest = rest[n:]
	}
	tap.Sum(sums)
	return sums
}

// wanted reduces findings to what the case compares.
func (s *subject) wanted(found []verify.Finding) []Want {
	var out []Want
	for i, f := range found {
		w := Want{Status: f.Status, Code: f.Code, Subject: f.Subject}
		if i < len(s.test.Want) && s.test.Want[i].Signer != "" {
			w.Signer = f.Signer.Name
		}
		if i < len(s.test.Want) && s.test.Want[i].Anchor != "" && len(f.Anchors) > 0 {
			w.Anchor = f.Anchors[0]
		}
		out = append(out, w)
	}
	return out
}

// vouched reports whether a finding says that somebody vouches for the artifact.
func vouched(f verify.Finding) bool {
	return f.Status == verify.Valid && (!f.Signer.IsZero() || len(f.Anchors) > 0)
}

// allValid reports whether somebody vouches and nothing speaks against it.
func allValid(found []verify.Finding) bool {
	for _, f := range found {
		if f.Status != verify.Valid {
			return false
		}
	}
	return count(found) > 0
}
