package reputation

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// ownSerial is how many bytes a serial number needs to mean one certificate whoever issued it. Public authorities put at
// least 64 random bits into it (CA/Browser Forum, Code Signing Baseline Requirements 7.1); shorter ones count from 1.
const ownSerial = 8

// hexText returns the bytes of hexadecimal digits that may be grouped by colons, spaces or dashes.
func hexText(s string) ([]byte, error) {
	s = strings.NewReplacer(":", "", " ", "", "-", "").Replace(s)
	if len(s) > 2*64 {
		return nil, fmt.Errorf("%d hexadecimal digits are too many", len(s))
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("this is not hexadecimal")
	}
	return b, nil
}

// serialEntry makes an entry of a serial number in hexadecimal, and the issuer's name or common name if it is known.
func serialEntry(serial, issuer string) (entry, error) {
	serial = strings.TrimPrefix(strings.TrimPrefix(serial, "0x"), "0X")
	if plain := strings.NewReplacer(":", "", " ", "", "-", "").Replace(serial); len(plain)%2 == 1 {
		serial = "0" + plain
	}
	b, err := hexText(serial)
	if err != nil {
		return entry{}, err
	}
	text, err := serialText(b, issuer)
	if err != nil {
		return entry{}, err
	}
	return textEntry(KindCertSerial, text), nil
}

// serialText returns the one spelling of a serial number; with the issuer where the number alone is too short.
func serialText(serial []byte, issuer string) (string, error) {
	for len(serial) > 0 && serial[0] == 0 {
		serial = serial[1:]
	}
	if len(serial) == 0 || len(serial) > 20 {
		return "", fmt.Errorf("a serial number has 1 to 20 bytes, this has %d", len(serial))
	}
	text := hex.EncodeToString(serial)
	if len(serial) >= ownSerial {
		return text, nil
	}
	if issuer = issuerText(issuer); issuer == "" {
		return "", fmt.Errorf("a serial number of %d bytes means nothing without its issuer", len(serial))
	}
	return text + " of " + issuer, nil
}

// issuerText returns the one spelling of an issuer: its common name where a whole name is given.
func issuerText(s string) string {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	for part := range strings.SplitSeq(s, ",") {
		if cn, ok := strings.CutPrefix(strings.TrimSpace(part), "cn="); ok {
			return strings.TrimSpace(cn)
		}
	}
	return s
}
