package cms

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/pem"
	"hash/maphash"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of revocation lists. The largest that public authorities publish have some ten megabytes.
const (
	MaxRevocationList = 64 << 20 // bytes of one list
	maxRevoked        = 4 << 20  // entries of one list
	shortestEntry     = 20       // bytes: a serial number of one octet and a UTCTime
)

// RevocationList is a certificate revocation list (RFC 5280 section 5), read but not judged. It keeps the octets that
// it was read from and an index into them, 16 bytes an entry. It may be used by several goroutines at once.
type RevocationList struct {
	RawIssuer              []byte
	Issuer                 Name
	ThisUpdate, NextUpdate time.Time // NextUpdate is zero where the list names none
	Number                 []byte    // contents octets of the CRL number; nil if there is none
	Scope                  Scope

	entries   []byte      // contents of revokedCertificates
	index     []revokedAt // of them, ordered by key
	seed      maphash.Seed
	recipe    recipe
	sum       []byte // of what is signed
	signature []byte
}

// revokedAt says where the entry of a serial number with this hash begins.
type revokedAt struct {
	key    uint64
	offset uint32
}

// SplitRevocationLists returns the lists that a file holds: one in DER, or the X509 CRL blocks of PEM data (RFC 7468
// section 6), at least one.
func SplitRevocationLists(data []byte) ([][]byte, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN ")) {
		return [][]byte{data}, nil
	}
	var out [][]byte
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			return nil, malformed("PEM block %.40q, where revocation lists are due", block.Type)
		}
		out = append(out, block.Bytes)
	}
	if len(out) == 0 {
		return nil, malformed("PEM data")
	}
	return out, nil
}

// ParseRevocationList reads one list that fills der completely. Every entry is looked at, so that none can turn out to
// be unreadable later. der must not be changed afterwards.
func ParseRevocationList(der []byte) (*RevocationList, error) {
	if len(der) > MaxRevocationList {
		return nil, malformed("revocation list of more than %d bytes", MaxRevocationList)
	}
	l := &RevocationList{seed: maphash.MakeSeed()}
	var outer, tbs cryptobyte.String
	var signed []byte
	var alg, inner Algorithm
	s := cryptobyte.String(der)
	if !readSequence(&s, &outer) || !s.Empty() || !readElement(&outer, &signed) || !readAlgorithm(&outer, &alg) ||
		!outer.ReadASN1BitStringAsBytes(&l.signature) || !outer.Empty() {
		return nil, malformed("revocation list")
	}
	if s = signed; !readSequence(&s, &tbs) || !s.Empty() {
		return nil, malformed("revocation list")
	}
	version := 0
	if tbs.PeekASN1Tag(asn1.INTEGER) && (!tbs.ReadASN1Integer(&version) || version != 1) {
		return nil, malformed("revocation list of version %d", version+1)
	}
	if !readAlgorithm(&tbs, &inner) || !readElement(&tbs, &l.RawIssuer) || !l.readTimes(&tbs) {
		return nil, malformed("revocation list")
	}
	if !inner.Equal(alg) {
		return nil, malformed("revocation list that names two signature algorithms")
	}
	if len(l.RawIssuer) > maxName {
		return nil, malformed("revocation list with a name of more than %d bytes", maxName)
	}
	var err error
	if l.Issuer, err = parseName(l.RawIssuer); err != nil {
		return nil, err
	}
	if tbs.PeekASN1Tag(asn1.SEQUENCE) {
		if err := l.readEntries(&tbs); err != nil {
			return nil, err
		}
	}
	if err := l.readExtensions(tbs, version); err != nil {
		return nil, err
	}
	if l.recipe = alg.resolve(0); l.recipe.hash != 0 {
		l.sum = hashOf(l.recipe.hash, signed)
	}
	return l, nil
}

func (l *RevocationList) readTimes(tbs *cryptobyte.String) bool {
	if !readTime(tbs, &l.ThisUpdate) {
		return false
	}
	if tbs.PeekASN1Tag(asn1.UTCTime) || tbs.PeekASN1Tag(asn1.GeneralizedTime) {
		return readTime(tbs, &l.NextUpdate)
	}
	return true
}

// readEntries reads revokedCertificates and makes the index.
func (l *RevocationList) readEntries(tbs *cryptobyte.String) error {
	var list cryptobyte.String
	if !readSequence(tbs, &list) {
		return malformed("revocation list")
	}
	l.entries = list
	l.index = make([]revokedAt, 0, min(len(list)/shortestEntry, maxRevoked))
	var e entry
	for !list.Empty() {
		if len(l.index) == maxRevoked {
			return malformed("revocation list of more than %d entries", maxRevoked)
		}
		offset := len(l.entries) - len(list)
		if !e.read(&list) {
			return malformed("entry %d of a revocation list", len(l.index)+1)
		}
		if e.unknown != "" {
			l.Scope.Unusable = "an entry has the critical extension " + e.unknown.String() + ", which is unknown"
		}
		l.index = append(l.index, revokedAt{maphash.Bytes(l.seed, e.serial), uint32(offset)})
	}
	slices.SortFunc(l.index, func(a, b revokedAt) int { return cmp.Compare(a.key, b.key) })
	return nil
}

// SignedBy reports whether the list's name and signature are those of an issuer who may sign such lists.
func (l *RevocationList) SignedBy(issuer *Certificate) bool {
	if !bytes.Equal(l.RawIssuer, issuer.RawSubject) || l.recipe.hash == 0 || l.recipe.hash == crypto.MD5 || !issuer.may(usageCRLSign) {
		return false
	}
	key, err := issuer.PublicKey()
	return err == nil && verifySum(key, l.recipe, l.sum, l.signature) == nil
}

// Len returns how many entries there are.
func (l *RevocationList) Len() int { return len(l.index) }
