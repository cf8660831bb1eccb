package sigstore

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sallyport-project/sallyport/verify/internal/lru"
)

// Instance is an instance of Sigstore, by its trusted root (sigstore_trustroot.proto): the authorities that issue certificates,
// the logs and the timestamping authorities. It does not change and may be used by several goroutines.
type Instance struct {
	authorities []*authority
	tsas        []root.TimestampingAuthority
	stampers    [][]byte                         // names of the issuers of the timestamping authorities' certificates
	logs        map[string]*root.TransparencyLog // by the hexadecimal id
	ctLogs      map[string]*root.TransparencyLog // likewise
	skipped     []string
}

// authority is a certificate authority of an instance with its certificates ready for use.
type authority struct {
	root.FulcioCertificateAuthority
	roots, intermediates *x509.CertPool
	name                 string
	fingerprint          string
}

// instances holds those that were read lately: every verification names its instance by the bytes of a trusted root.
var instances = lru.New[[sha256.Size]byte, *Instance](64)

// NewInstance reads a trusted root (trusted_root.json). Parts that cannot be read, such as a log with a new kind of key, are left
// out: nothing that rests on them verifies. Fields that are not known are passed over. What was read lately is kept and shared.
func NewInstance(trustedRoot []byte) (*Instance, error) {
	if len(trustedRoot) > MaxRoot {
		return nil, fmt.Errorf("reading trusted root: it has %d bytes, %d are read", len(trustedRoot), MaxRoot)
	}
	id := sha256.Sum256(trustedRoot)
	if i, ok := instances.Get(id); ok {
		return i, nil
	}
	i, err := parseInstance(trustedRoot)
	if err != nil {
		return nil, fmt.Errorf("reading trusted root: %w", err)
	}
	instances.Put(id, i, 1)
	return i, nil
}

func parseInstance(trustedRoot []byte) (*Instance, error) {
	if err := checkJSON(trustedRoot, maxBundleDepth, maxBundleValues); err != nil {
		return nil, err
	}
	var p prototrustroot.TrustedRoot
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(trustedRoot, &p); err != nil {
		return nil, err
	}
	if !slices.Contains(trustedRootTypes, p.GetMediaType()) {
		return nil, fmt.Errorf("media type %s is not known", quote(p.GetMediaType()))
	}
	i := &Instance{}
	i.logs = i.readLogs("log", p.GetTlogs())
	i.ctLogs = i.readLogs("certificate transparency log", p.GetCtlogs())
	for _, a := range p.GetCertificateAuthorities() {
		ca, err := root.ParseCertificateAuthority(a)
		if err != nil {
			i.skip("certificate authority", a.GetUri(), err)
			continue
		}
		i.authorities = append(i.authorities, newAuthority(ca))
	}
	for _, a := range p.GetTimestampAuthorities() {
		tsa, err := root.ParseTimestampingAuthority(a)
		if err != nil {
			i.skip("timestamping authority", a.GetUri(), err)
			continue
		}
		i.tsas = append(i.tsas, tsa)
		i.stampers = append(i.stampers, stampersOf(tsa)...)
	}
	if len(i.authorities)+len(i.logs)+len(i.tsas) == 0 {
		return nil, fmt.Errorf("it names nobody who can be trusted (%d parts left out)", len(i.skipped))
	}
	return i, nil
}

// trustedRootTypes are the media types of trusted roots (sigstore_trustroot.proto).
var trustedRootTypes = []string{
	root.TrustedRootMediaType01,
	"application/vnd.dev.sigstore.trustedroot.v0.1+json",
	"application/vnd.dev.sigstore.trustedroot.v0.2+json",
}

func (i *Instance) readLogs(kind string, from []*prototrustroot.TransparencyLogInstance) map[string]*root.TransparencyLog {
	logs := map[string]*root.TransparencyLog{}
	for _, l := range from {
		one, err := root.ParseTransparencyLogs([]*prototrustroot.TransparencyLogInstance{l})
		if err != nil {
			i.skip(kind, l.GetBaseUrl(), err)
			continue
		}
		for id, log := range one {
			logs[id] = log
		}
	}
	return logs
}

func (i *Instance) skip(kind, name string, err error) {
	i.skipped = append(i.skipped, fmt.Sprintf("%s %s: %s", kind, quote(name), reason(err)))
}

func newAuthority(ca *root.FulcioCertificateAuthority) *authority {
	a := &authority{FulcioCertificateAuthority: *ca, roots: x509.NewCertPool(), intermediates: x509.NewCertPool()}
	a.roots.AddCert(ca.Root)
	for _, c := range ca.Intermediates {
		a.intermediates.AddCert(c)
	}
	sum := sha256.Sum256(ca.Root.Raw)
	a.fingerprint = hex.EncodeToString(sum[:])
	a.name = ca.URI
	if ca.Root.Subject.CommonName != "" {
		a.name = ca.Root.Subject.CommonName
	}
	if o := ca.Root.Subject.Organization; len(o) > 0 && o[0] != "" {
		a.name = o[0]
	}
	return a
}

// Issued reports whether the signer's certificate bears the signature of one of the instance's certificate authorities, whenever
// that was: such a bundle is by this instance, though it need not verify. No bundle by a key is.
func (i *Instance) Issued(b *Bundle) bool {
	if i == nil || b.leaf == nil {
		return false
	}
	for _, a := range i.authorities {
		for _, c := range append([]*x509.Certificate{a.Root}, a.Intermediates...) {
			if b.leaf.CheckSignatureFrom(c) == nil {
				return true
			}
		}
	}
	return false
}

// Skipped names the parts of the trusted root that were left out because they cannot be read, with the reason.
func (i *Instance) Skipped() []string { return slices.Clone(i.skipped) }

// HasLogs reports whether the instance has transparency logs for signatures.
func (i *Instance) HasLogs() bool { return i != nil && len(i.logs) > 0 }

// HasTimestamps reports whether the instance has timestamping authorities.
func (i *Instance) HasTimestamps() bool { return i != nil && len(i.tsas) > 0 }

// HasSCTs reports whether the instance has certificate transparency logs.
func (i *Instance) HasSCTs() bool { return i != nil && len(i.ctLogs) > 0 }

// TimestampingAuthorities is for sigstore-go.
func (i *Instance) TimestampingAuthorities() []root.TimestampingAuthority { return i.tsas }

// FulcioCertificateAuthorities is for sigstore-go.
func (i *Instance) FulcioCertificateAuthorities() []root.CertificateAuthority {
	var out []root.CertificateAuthority
	for _, a := range i.authorities {
		out = append(out, &a.FulcioCertificateAuthority)
	}
	return out
}

// RekorLogs is for sigstore-go.
func (i *Instance) RekorLogs() map[string]*root.TransparencyLog { return i.logs }

// CTLogs is for sigstore-go.
func (i *Instance) CTLogs() map[string]*root.TransparencyLog { return i.ctLogs }

// valid reports whether t is in the period from start to end, both included; zero is no bound.
func valid(t, start, end time.Time) bool {
	return (start.IsZero() || !t.Before(start)) && (end.IsZero() || !t.After(end))
}

var noTime time.Time
