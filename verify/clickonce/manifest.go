package clickonce

import (
	"fmt"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
)

// maxComments is how many bytes of comments, which no signature covers, a manifest may have.
const maxComments = 32 << 10

// manifest is a manifest that was read. Only its root, without the signature, is ever used.
type manifest struct {
	doc       *xmldsig.Document
	root      *xmldsig.Element
	identity  *xmldsig.Element // the root's assemblyIdentity
	signature *xmldsig.Signature
	keys      *xmldsig.KeyInfo // of the strong-name signature
}

// judge judges a manifest. It returns the manifest as well if it is signed by somebody trusted and nothing is wrong with it.
func judge(b []byte, env verify.Env) (*manifest, []verify.Finding) {
	x := authenticode.New(method, "manifest", env)
	m, err := read(b)
	if err != nil {
		x.Verdict(finding("The manifest cannot be read", err))
		return nil, x.Findings()
	}
	if m.signature == nil {
		return nil, one(verify.Absent, "unsigned", "The manifest carries no signature.")
	}
	if err := m.checkStrongName(); err != nil {
		x.Verdict(finding("The strong-name signature is wrong", err))
		return nil, x.Findings()
	}
	if len(m.keys.Others) == 0 {
		x.Verdict(verify.Finding{Status: verify.Untrusted, Code: "strong-name-only",
			Detail: fmt.Sprintf("The manifest has a strong-name signature only, by the key with the token %s, which stands for nobody.", m.identity.Value("publicKeyToken"))})
		return nil, x.Findings()
	}
	raw, err := m.checkLicense()
	if err != nil {
		x.Verdict(finding("The publisher's signature is wrong", err))
		return nil, x.Findings()
	}
	m.remark(x)
	x.JudgeRaw(*raw)
	return m.proven(x.Findings())
}

// proven keeps the manifest if the findings say that somebody trusted signed it.
func (m *manifest) proven(found []verify.Finding) (*manifest, []verify.Finding) {
	vouched := false
	for _, f := range found {
		if f.Status != verify.Valid {
			return nil, found
		}
		vouched = vouched || !f.Signer.IsZero()
	}
	if !vouched {
		return nil, found
	}
	return m, found
}

// remark says what is wrong in comments, which are the only content of a manifest that is not covered.
func (m *manifest) remark(x *authenticode.Examination) {
	if what := authenticode.Active(m.doc.Unsigned); what != "" {
		x.Remark(verify.Invalid, "hidden-data", "The comments of the manifest, which no signature covers, hold %s.", what)
	} else if n := len(m.doc.Unsigned); n > maxComments {
		x.Remark(verify.Invalid, "hidden-data", "The manifest has %d bytes of comments, which no signature covers, more than %d.", n, maxComments)
	}
}

// read reads a manifest. The signature is nil where there is none.
func read(b []byte) (*manifest, error) {
	d, err := xmldsig.Parse(b)
	if err != nil {
		return nil, err
	}
	m := &manifest{doc: d, root: d.Root}
	if !m.root.Is(nsV1, "assembly") {
		return nil, broken("its root is no assembly of %s", nsV1)
	}
	all := m.root.Count(xmldsig.NS, "Signature")
	if all == 0 {
		return m, nil
	}
	e, err := m.root.Only(xmldsig.NS, "Signature")
	if err != nil {
		return nil, err
	}
	if all != e.Count(xmldsig.NS, "Signature") || all > 2 {
		return nil, broken("it has %d signatures, and not all where they belong", all)
	}
	if m.identity, err = m.root.Only(nsV1, "assemblyIdentity"); err != nil {
		return nil, err
	}
	if m.signature, err = d.ParseSignature(e); err != nil {
		return nil, err
	}
	return m, m.readKeys()
}

// readKeys reads the KeyInfo of the strong-name signature, with the license in it.
func (m *manifest) readKeys() (err error) {
	s := m.signature
	if s.Element.Value("Id") != "StrongNameSignature" || len(s.Objects) > 0 || s.KeyInfo == nil {
		return broken("its signature is no strong-name signature")
	}
	if err := s.KeyInfo.AttributesOnly("Id"); err != nil {
		return err
	}
	if id, ok := s.KeyInfo.Attribute("Id"); ok && id != "StrongNameKeyInfo" {
		return broken("the KeyInfo of the strong-name signature has another identifier")
	}
	if m.keys, err = xmldsig.ReadKeyInfo(s.KeyInfo); err != nil {
		return err
	}
	if m.keys.Key == nil || len(m.keys.Certificates) > 0 || len(m.keys.Others) > 1 {
		return broken("the KeyInfo of the strong-name signature has not just a key and a license")
	}
	return nil
}
