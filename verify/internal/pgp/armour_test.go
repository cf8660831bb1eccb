package pgp

import (
	"errors"
	"strings"
	"testing"
)

// TestArmourHoldsTextOnly guards against white space that some decoders skip and gpgv refuses.
func TestArmourHoldsTextOnly(t *testing.T) {
	const good = beginMessage + "\nHash: SHA256\n\ntext\n" + beginSignature + "\n\nAAAA\n=AAAA\n" + endSignature + "\n"
	if _, _, err := SplitClearsigned([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"\v", "\f", "\x85", "\u00a0", "\x7f", "\x1b"} {
		bad := strings.Replace(good, "AAAA", "AA"+c+"AA", 1)
		if _, _, err := SplitClearsigned([]byte(bad)); !errors.Is(err, ErrClearsigned) {
			t.Errorf("%q inside the armour: error = %v", c, err)
		}
	}
}
