package sigstore

import (
	"errors"
	"testing"
)

func TestReasonIsOneLine(t *testing.T) {
	if got := reason(errors.New("calculated root:\n[1 2]\n does not match expected root:\n\t[3]")); got != "calculated root: [1 2] does not match expected root: [3]" {
		t.Errorf("%q", got)
	}
}
