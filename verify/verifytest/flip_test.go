package verifytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// summed is the smallest format there is: 32 bytes of SHA-256, one byte that nothing covers, then what they are of.
type summed struct{}

func (summed) Method() string                { return "summed" }
func (summed) Match(a *verify.Artifact) bool { return a.Size > 33 }
func (summed) Verify(_ context.Context, a *verify.Artifact, _ verify.Env) ([]verify.Finding, error) {
	b, err := io.ReadAll(io.NewSectionReader(a.Content, 0, a.Size))
	if err != nil {
		return nil, err
	}
	f := verify.Finding{Method: "summed", Status: verify.Invalid, Code: "summed/wrong"}
	if sum := sha256.Sum256(b[33:]); bytes.Equal(sum[:], b[:32]) {
		f = verify.Finding{Method: "summed", Status: verify.Valid, Code: "summed/valid", Anchors: []string{"sum"}}
	}
	return []verify.Finding{f}, nil
}

func sum(content string) []byte {
	s := sha256.Sum256([]byte(content))
	return append(append(s[:], 0), content...)
}

func TestRunChecksCases(t *testing.T) {
	bad := sum("bread and butter")
	bad[40] ^= 1
	Run(t, summed{},
		Case{
			Name: "right", Data: sum("bread and butter"),
			Want:      []Want{{Status: verify.Valid, Code: "summed/valid", Anchor: "sum"}},
			Uncovered: []Range{{From: 32, To: 33, Why: "the byte between sum and content means nothing"}},
		},
		Case{Name: "changed", Data: bad, Want: []Want{{Status: verify.Invalid, Code: "summed/wrong"}}},
		Case{Name: "too short", Data: []byte("crumb")},
	)
}

func TestSurvivesNoticesAnUncoveredByte(t *testing.T) {
	s := &subject{verifier: summed{}, vouchers: 1}
	data := sum("bread and butter")
	if !s.survives(t, data, 32, 1) {
		t.Error("a change of the uncovered byte was not noticed as surviving")
	}
	if s.survives(t, data, 33, 1) {
		t.Error("a change of a covered byte was taken to survive")
	}
}

func TestPositionsSpreadOverTheWholeArtifact(t *testing.T) {
	s := &subject{test: Case{Flips: 10, Uncovered: []Range{{From: 0, To: 50}}}}
	got := s.positions(1000)
	if len(got) < 9 || got[0] < 50 || got[len(got)-1] < 900 {
		t.Errorf("positions = %v, want about ten up to the end and none below 50", got)
	}
}
