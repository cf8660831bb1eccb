package authenticode

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// The finding says in which root a path ends, and whether that root is trusted for everybody.
func TestRootsOfAnchors(t *testing.T) {
	w := newWorld()
	private := at.NewCA("Private Root")
	second := at.NewCA("Second Root")
	publishers := []verify.Authority{{Anchor: "acme", Roots: []*x509.Certificate{private.Certificate}}}
	cross := w.root.CrossSigned(private) // the private authority, certified by a root that everybody trusts
	for name, c := range map[string]struct {
		signer     *at.Signer
		more       [][]byte
		publishers []verify.Authority
		want       string
		roots      []string // "private NAME" or "general NAME", one a finding
	}{
		"private root":                      {private.Issue(at.Leaf{}), nil, publishers, "valid:valid", []string{"private Private Root"}},
		"private root, no such anchor":      {private.Issue(at.Leaf{}), nil, nil, "untrusted:untrusted-root", nil},
		"everybody's root":                  {w.root.Issue(at.Leaf{}), nil, publishers, "valid:valid", []string{"general Test Code Root"}},
		"another private root":              {second.Issue(at.Leaf{}), nil, publishers, "untrusted:untrusted-root", nil},
		"an anchor held to everybody's":     {w.root.Issue(at.Leaf{}), nil, []verify.Authority{{Roots: []*x509.Certificate{w.root.Certificate}}}, "valid:valid", []string{"general Test Code Root"}},
		"cross-signed":                      {private.Issue(at.Leaf{}), [][]byte{cross.Certificate.Raw}, publishers, "valid:valid valid:valid", []string{"general Test Code Root", "private Private Root"}},
		"cross-signed, no such anchor":      {private.Issue(at.Leaf{}), [][]byte{cross.Certificate.Raw}, nil, "valid:valid", []string{"general Test Code Root"}},
		"the private root names the issuer": {at.NewCA("Private Root").Issue(at.Leaf{}), nil, publishers, "untrusted:untrusted-root", nil},
	} {
		env := w.env
		env.Trust.Publishers = c.publishers
		image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: c.signer, Certificates: c.more})
		got, found := codes(t, image, env)
		if got != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, found[0].Detail)
			continue
		}
		for i, want := range c.roots {
			id := found[i].Signer
			kind, root, print := "general ", w.root.Certificate, fingerprint(w.root.Certificate)
			if strings.HasPrefix(want, "private") {
				kind, root, print = "private ", private.Certificate, fingerprint(private.Certificate)
			}
			if id.PrivateRoot != (kind == "private ") || id.Root != root.Subject.CommonName || id.RootFingerprint != print || !strings.HasSuffix(want, id.Root) {
				t.Errorf("%s: finding %d names %+v, want %s", name, i, id, want)
			}
		}
	}
}

// A root that an anchor brings vouches for no timestamp.
func TestRootsOfAnchorsVouchForNoTimestamp(t *testing.T) {
	w := newWorld()
	private := at.NewCA("Private Root")
	w.env.Trust.Publishers = []verify.Authority{{Anchor: "acme", Roots: []*x509.Certificate{private.Certificate}}}
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{
		Signer:    private.Issue(at.Leaf{NotAfter: year(2024)}),
		Timestamp: &at.Timestamp{Authority: private.TSA("Private TSA"), Time: year(2022)},
	})
	if got, _ := codes(t, image, w.env); !strings.HasPrefix(got, "untrusted:expired") {
		t.Error(got)
	}
}

// Any good path is enough; but a key that one issuer calls compromised is so under every other.
func TestRevocationOfCrossSignedAuthorities(t *testing.T) {
	w := newWorld()
	second := at.NewCA("Second Root")
	w.env.Trust.CodeSigning = append(w.env.Trust.CodeSigning, second.Certificate)
	issuing := w.root.Intermediate("Issuing CA")
	cross := second.CrossSigned(issuing)
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: issuing.Issue(at.Leaf{}), Certificates: [][]byte{cross.Certificate.Raw}})
	for name, c := range map[string]struct {
		reason int
		both   bool
		want   string
	}{
		"superseded in one":  {4, false, "valid:valid"},
		"compromised in one": {2, false, "invalid:revoked"},
		"superseded in both": {4, true, "invalid:revoked"},
	} {
		all := [][]byte{w.root.List(at.List{Revoked: []at.Revoked{{Certificate: issuing.Certificate, At: year(2020), Reason: c.reason}}})}
		if c.both {
			all = append(all, second.List(at.List{Revoked: []at.Revoked{{Certificate: cross.Certificate, At: year(2020), Reason: c.reason}}}))
		}
		env := w.env
		env.Trust.Revocation.Lists = lists(all...)
		got, found := codes(t, image, env)
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s (%s)", name, got, found[0].Detail)
		}
		if c.want == "valid:valid" && found[0].Signer.RootFingerprint != fingerprint(second.Certificate) {
			t.Errorf("%s: by way of %s", name, found[0].Signer.Root)
		}
	}
}

func TestLimitsOfRoots(t *testing.T) {
	w := newWorld()
	vendor := w.root.Issue(at.Leaf{NotBefore: year(2019), NotAfter: year(2035)})
	image := func(stamped int) []byte {
		s := at.Signature{Signer: vendor}
		if stamped != 0 {
			s.Timestamp = w.stamp(stamped)
		}
		return at.Sign(at.BuildPE(at.Image{}), s)
	}
	root, stampRoot := verify.Digest(sha256.Sum256(w.root.Certificate.Raw)), verify.Digest(sha256.Sum256(w.stampRoot.Certificate.Raw))
	signing := func(l verify.RootLimit) verify.Trust {
		t := w.env.Trust
		l.Root = root
		t.CodeSigningLimits = []verify.RootLimit{l}
		return t
	}
	stamping := w.env.Trust
	stamping.TimestampingLimits = []verify.RootLimit{{Root: stampRoot, SignedBefore: year(2020)}}
	for name, c := range map[string]struct {
		trust   verify.Trust
		stamped int
		want    string
	}{
		"disabled before the timestamp": {signing(verify.RootLimit{SignedBefore: year(2021)}), 2022, "untrusted:expired"},
		"disabled after the timestamp":  {signing(verify.RootLimit{SignedBefore: year(2023)}), 2022, "valid:valid"},
		"disabled, no timestamp":        {signing(verify.RootLimit{SignedBefore: year(2023)}), 0, "untrusted:expired"},
		"issued too late":               {signing(verify.RootLimit{IssuedBefore: year(2018)}), 2022, "untrusted:bad-chain"},
		"issued in time":                {signing(verify.RootLimit{IssuedBefore: year(2020)}), 2022, "valid:valid"},
		"timestamping disabled by then": {stamping, 2022, "valid:valid"}, // the certificate is still good without
	} {
		env := w.env
		env.Trust = c.trust
		got, found := codes(t, image(c.stamped), env)
		if got != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, found[0].Detail)
		}
		if name == "timestamping disabled by then" && !found[0].SignedAt.IsZero() {
			t.Errorf("%s: signed at %s", name, found[0].SignedAt)
		}
	}
}

func TestShortKeys(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	w := newWorld()
	for name, c := range map[string]struct {
		bits, stamped int
		want          string
	}{
		"1024, stamped in 2012": {1024, 2012, "valid:valid valid:weak-key"},
		"1024, stamped in 2015": {1024, 2015, "untrusted:weak-key"},
		"1024, not stamped":     {1024, 0, "untrusted:weak-key"},
		"2048, not stamped":     {2048, 0, "valid:valid"},
		"512":                   {512, 2012, "invalid:weak-key"},
	} {
		key, err := rsa.GenerateKey(rand.Reader, c.bits)
		if err != nil {
			t.Fatal(err)
		}
		s := at.Signature{Signer: w.root.IssueTo(key, at.Leaf{NotBefore: year(2010)})}
		if c.stamped != 0 {
			s.Timestamp = w.stamp(c.stamped)
			s.Timestamp.Authority = w.stampRoot.Issue(at.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}, NotBefore: year(2009)})
		}
		got, found := codes(t, at.Sign(at.BuildPE(at.Image{}), s), w.env)
		if got != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, found[0].Detail)
		}
	}
}
