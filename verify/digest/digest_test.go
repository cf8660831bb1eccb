package digest

import (
	"context"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func TestOnlyListedBytesAreVouchedFor(t *testing.T) {
	listed, other := verify.Digest(sha256.Sum256([]byte("a"))), verify.Digest(sha256.Sum256([]byte("b")))
	env := verify.Env{Trust: verify.Trust{Pins: map[verify.Digest][]string{listed: {"z", "a", "z"}, {}: {"zero"}}}}
	tests := []struct {
		name   string
		digest verify.Digest
		want   []string
	}{
		{"listed, by every anchor once", listed, []string{"a", "z"}},
		{"not listed", other, nil},
		{"digest that was never computed", verify.Digest{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &verify.Artifact{Digests: verify.Digests{SHA256: tt.digest}}
			v := New()
			if !v.Match(a) {
				t.Fatal("not matched")
			}
			got, err := v.Verify(context.Background(), a, env)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				if len(got) != 0 {
					t.Errorf("found %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Status != verify.Valid || !slices.Equal(got[0].Anchors, tt.want) {
				t.Errorf("found %+v, want anchors %v", got, tt.want)
			}
		})
	}
	if got := env.Trust.Pins[listed]; !slices.Equal(got, []string{"z", "a", "z"}) {
		t.Errorf("the operator's list was changed to %v", got)
	}
}
