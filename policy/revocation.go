package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path"
	"sort"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of the revocation lists that a policy names.
const (
	maxListFile  = 64 << 20  // bytes of one file
	maxListBytes = 256 << 20 // of all together
	maxListFiles = 1024
)

// revocation is the revocation section.
type revocation struct {
	lists    []*verify.RevocationList
	sums     []verify.Digest // of the lists
	fetch    bool
	required bool
	maxStale time.Duration
	bytes    int
}

func (b *builder) revocation(n node) {
	r := &b.policy.revocation
	r.fetch = n.get("fetch").text() == "true"
	r.required = n.get("unknown").text() == "refuse"
	r.maxStale, _ = parseDuration(n.get("max_stale").text())
	for _, item := range n.get("crls").items() {
		b.revocationFiles(r, item)
	}
	if r.required && !r.fetch && len(r.lists) == 0 {
		b.warn(n.get("unknown"), "name a list under crls, or say fetch: true", "revocation.unknown is refuse, but there is no list and none is fetched: every X.509 signature is refused")
	}
}

// revocationFiles reads a file, or those files of a folder that are called .crl, .pem or .der.
func (b *builder) revocationFiles(r *revocation, item node) {
	name := item.text()
	if name == "" {
		return
	}
	names, isDir, err := b.folder(name, listEndings)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "file names are relative to the policy file"
		}
		b.add(item, hint, "the revocation list %s cannot be read: %v", quote(name), err)
		return
	}
	if !isDir {
		names = []string{name}
	}
	for _, name := range names {
		if len(r.lists) >= maxListFiles {
			b.add(item, "", "the policy names more than %d revocation lists", maxListFiles)
			return
		}
		if err := b.revocationFile(r, name); err != nil {
			b.add(item, "", "the revocation list %s cannot be used: %v", quote(name), err)
		}
	}
}

// listEndings are what files of revocation lists are called.
var listEndings = []string{".crl", ".pem", ".der"}

// folder returns the files in a folder whose names have one of the endings, in order, each with the name of the folder before it, or
// that name is none.
func (b *builder) folder(name string, endings []string) (names []string, isDir bool, err error) {
	if b.files == nil {
		return nil, false, errors.New("there are no files beside this policy")
	}
	f, err := b.files.Open(name)
	if err != nil {
		return nil, false, plainCause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.IsDir() {
		return nil, false, plainCause(err)
	}
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil, true, errors.New("this folder cannot be listed")
	}
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, true, plainCause(err)
	}
	for _, e := range entries {
		if contains(endings, strings.ToLower(path.Ext(e.Name()))) && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, strings.TrimSuffix(name, "/")+"/"+e.Name())
		}
	}
	sort.Strings(names)
	return names, true, nil
}

func (b *builder) revocationFile(r *revocation, name string) error {
	data, err := b.openUpTo(name, maxListFile)
	if err != nil {
		return err
	}
	if r.bytes += len(data); r.bytes > maxListBytes {
		return fmt.Errorf("all lists together have more than %d bytes", maxListBytes)
	}
	ders, err := revocationBlocks(data)
	if err != nil {
		return err
	}
	for _, der := range ders {
		if !looksRevocation(der) {
			return errors.New("it is no certificate revocation list in DER or PEM")
		}
		r.lists = append(r.lists, &verify.RevocationList{Name: name, Data: der})
		r.sums = append(r.sums, sha256.Sum256(der))
	}
	return nil
}

// revocationBlocks returns what a file holds: DER, or the X509 CRL blocks of PEM.
func revocationBlocks(data []byte) ([][]byte, error) {
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
			return nil, fmt.Errorf("it holds a %s; only X509 CRL belongs there", quote(block.Type))
		}
		out = append(out, block.Bytes)
	}
	if len(out) == 0 {
		return nil, errors.New("it is no certificate revocation list in DER or PEM")
	}
	return out, nil
}

// looksRevocation reports whether der has the outline of a CertificateList (RFC 5280 section 5.1). Whoever verifies reads
// all of it.
func looksRevocation(der []byte) bool {
	var list, tbs, inner cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&list, asn1.SEQUENCE) || !s.Empty() || !list.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!list.SkipASN1(asn1.SEQUENCE) || !list.SkipASN1(asn1.BIT_STRING) || !list.Empty() {
		return false
	}
	tbs.SkipOptionalASN1(asn1.INTEGER)
	// A certificate has its validity, a SEQUENCE, where a list has the time of its making.
	return tbs.ReadASN1(&inner, asn1.SEQUENCE) && tbs.ReadASN1(&inner, asn1.SEQUENCE) &&
		(tbs.PeekASN1Tag(asn1.UTCTime) || tbs.PeekASN1Tag(asn1.GeneralizedTime))
}

// trust returns what is known of revocation by the policy, and where it asks for lists to be fetched, by base.
func (r *revocation) trust(base verify.Revocation) verify.Revocation {
	t := verify.Revocation{Lists: r.lists[:len(r.lists):len(r.lists)], Required: r.required, MaxStale: r.maxStale}
	if r.fetch {
		t.Lists = append(t.Lists, base.Lists...)
		t.Seen = base.Seen
	}
	return t
}

// epoch writes all that facts depend on.
func (r *revocation) epoch(h hash.Hash) {
	fmt.Fprintf(h, "%t %t %d %d\n", r.fetch, r.required, r.maxStale, len(r.lists))
	for _, sum := range r.sums {
		h.Write(sum[:])
	}
}

// FetchesRevocation reports whether the policy asks for the revocation lists that certificates name to be fetched.
func (p *Policy) FetchesRevocation() bool { return p.revocation.fetch }

// RevocationLists returns the lists that the policy names.
func (p *Policy) RevocationLists() []*verify.RevocationList { return p.revocation.lists }
