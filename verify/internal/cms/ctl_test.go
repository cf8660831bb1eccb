package cms

import (
	"testing"
	"time"
)

// FuzzTrustList: whatever is read has subjects of 20 octets, and no limit that is before the year 1970.
func FuzzTrustList(f *testing.F) {
	f.Add([]byte("\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x09\x17\x0d210415000000Z\x30\x07\x06\x05\x2b\x0e\x03\x02\x1a\x30\x18\x30\x16\x04\x14aaaaaaaaaaaaaaaaaaaa"))
	f.Fuzz(func(t *testing.T, content []byte) {
		l, err := ParseTrustList(&SignedData{ContentType: OIDTrustList, Content: content})
		if err != nil {
			return
		}
		for _, s := range l.Subjects {
			for _, usage := range []OID{OIDCodeSigning, OIDTimeStamping} {
				limit, ok := s.Allows(usage)
				if len(s.SHA1) != 20 || ok && (limit.SignedBefore.Before(time.Unix(0, 0)) && !limit.SignedBefore.IsZero()) {
					t.Fatalf("%+v", s)
				}
			}
		}
	})
}

func TestTrustListSeedIsRead(t *testing.T) {
	l, err := ParseTrustList(&SignedData{ContentType: OIDTrustList, Content: []byte("\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x09\x17\x0d210415000000Z\x30\x07\x06\x05\x2b\x0e\x03\x02\x1a\x30\x18\x30\x16\x04\x14aaaaaaaaaaaaaaaaaaaa")})
	if err != nil || len(l.Subjects) != 1 {
		t.Fatalf("%+v, %v", l, err)
	}
}
