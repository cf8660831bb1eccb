package catalog

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// Object identifiers of catalogues (wincrypt.h, mscat.h).
var (
	oidTrustList  = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 10, 1)
	oidCatalogue  = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 1, 1) // the usage of a list that is a catalogue
	oidMembers    = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 1, 2) // version 1: tags are hexadecimal text of SHA-1 digests
	oidMembersV2  = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 1, 3) // version 2: tags are digests
	oidNameValue  = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 2, 1)
	oidMemberInfo = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 2, 2)
	oidMemberV2   = cms.NewOID(1, 3, 6, 1, 4, 1, 311, 12, 2, 3)
)

// Limits of a catalogue. The largest that Windows itself brings have some ten thousand members.
const (
	maxMembers    = 200_000
	maxAttributes = 256 // of one member
	maxUsages     = 16
)

// trustList is a Certificate Trust List (MS-CAESO section 4.4.5.3.1; wincrypt.h, CTL_INFO) that is a catalogue.
type trustList struct {
	id      []byte
	version int
	updated time.Time
	expires time.Time // zero if never
	members []member
}

var errList = errors.New("it is no certificate trust list as catalogues have it")

// parseList reads the contents octets of a CertificateTrustList.
func parseList(content []byte) (*trustList, error) {
	s := cryptobyte.String(content)
	l := &trustList{}
	if err := l.header(&s); err != nil {
		return nil, err
	}
	var members cryptobyte.String
	if s.PeekASN1Tag(asn1.SEQUENCE) && !s.ReadASN1(&members, asn1.SEQUENCE) {
		return nil, errList
	}
	l.members = make([]member, 0, min(len(members)/64, maxMembers)) // most have more than 64 bytes
	for !members.Empty() {
		if len(l.members) == maxMembers {
			return nil, fmt.Errorf("it lists more than %d members", maxMembers)
		}
		m, err := parseMember(&members)
		if err != nil {
			return nil, fmt.Errorf("member %d: %w", len(l.members)+1, err)
		}
		l.members = append(l.members, m)
	}
	var extensions cryptobyte.String
	if tag := asn1.Tag(0).Constructed().ContextSpecific(); s.PeekASN1Tag(tag) && !s.ReadASN1(&extensions, tag) {
		return nil, errList
	}
	if !s.Empty() {
		return nil, errList
	}
	return l, nil
}

// header reads all that precedes the members.
func (l *trustList) header(s *cryptobyte.String) error {
	var usages, id, algorithm cryptobyte.String
	if s.PeekASN1Tag(asn1.INTEGER) && !s.SkipASN1(asn1.INTEGER) || !s.ReadASN1(&usages, asn1.SEQUENCE) {
		return errList
	}
	if err := isCatalogue(usages); err != nil {
		return err
	}
	if s.PeekASN1Tag(asn1.OCTET_STRING) && !s.ReadASN1(&id, asn1.OCTET_STRING) ||
		s.PeekASN1Tag(asn1.INTEGER) && !s.SkipASN1(asn1.INTEGER) || !readTime(s, &l.updated) {
		return errList
	}
	if (s.PeekASN1Tag(asn1.UTCTime) || s.PeekASN1Tag(asn1.GeneralizedTime)) && !readTime(s, &l.expires) {
		return errList
	}
	var kind cms.OID
	if !s.ReadASN1(&algorithm, asn1.SEQUENCE) || !readOID(&algorithm, &kind) || !algorithm.Empty() && !algorithm.SkipASN1(asn1.NULL) || !algorithm.Empty() {
		return errList
	}
	l.id = id
	switch kind {
	case oidMembers:
		l.version = 1
	case oidMembersV2:
		l.version = 2
	default:
		return fmt.Errorf("its members are named in an unknown way (%s)", kind)
	}
	return nil
}

func isCatalogue(usages cryptobyte.String) error {
	var usage cms.OID
	for n := 0; !usages.Empty(); n++ {
		if n == maxUsages || !readOID(&usages, &usage) {
			return errList
		}
		if usage == oidCatalogue && usages.Empty() && n == 0 {
			return nil
		}
	}
	return fmt.Errorf("it is a trust list for another purpose than listing files (%s)", usage)
}

func readTime(s *cryptobyte.String, out *time.Time) bool {
	if s.PeekASN1Tag(asn1.UTCTime) {
		return s.ReadASN1UTCTime(out)
	}
	return s.ReadASN1GeneralizedTime(out)
}

func readOID(s *cryptobyte.String, out *cms.OID) bool {
	var body cryptobyte.String
	if !s.ReadASN1(&body, asn1.OBJECT_IDENTIFIER) || len(body) == 0 || len(body) > 64 {
		return false
	}
	*out = cms.OID(body)
	return true
}
