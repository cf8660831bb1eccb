package main

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// Where the samples of Sigstore lie, and who signed most of them.
const (
	suiteFolder = "sigstore/conformance/"
	npmFolder   = "sigstore/npm-attestations/"
	publicGood  = "tuf/sigstore-prod/targets/trusted_root.json"
	actions     = "https://token.actions.githubusercontent.com"
	suiteSigner = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)

// bundleOf says which file a bundle is about: pattern of the bundle's name, and what the file is called; "" where nobody has it.
var bundleOf = []struct {
	pattern *regexp.Regexp
	file    string
}{
	{regexp.MustCompile(`^sigstore/npm/bundle-(provenance|publish)\.json$`), "sigstore/npm/sigstore-1.3.0.tgz"},
	{regexp.MustCompile(`^sigstore/gh-cli/sigstore-js-2\.1\.0`), "sigstore/npm/sigstore-2.1.0.tgz"},
	{regexp.MustCompile(`^sigstore/gh-cli/custom-issuer\.sigstore\.json$`), "sigstore/gh-cli/custom-issuer-artifact"},
	{regexp.MustCompile(`^sigstore/gh-cli/reusable-workflow-attestation\.sigstore\.json$`), "sigstore/gh-cli/reusable-workflow-artifact"},
	{regexp.MustCompile(`^sigstore/gh-cli/.*\.jsonl?$`), ""},
	{regexp.MustCompile(`^(sigstore/slsa-go/.*)\.intoto\.jsonl$`), "$1"},
	{regexp.MustCompile(`^sigstore/vsa/.*\.jsonl$`), ""},
}

// bundles returns the file that a bundle is about, with the bundle beside it.
func (s *session) bundles(r row, found *sample) ([]*subject, string) {
	if dir, ok := strings.CutPrefix(r.file, suiteFolder); ok {
		return s.suiteCase(path.Dir(dir), r)
	}
	for _, b := range bundleOf {
		if !b.pattern.MatchString(r.file) {
			continue
		}
		file := b.pattern.ReplaceAllString(r.file, b.file)
		if b.file != "" && strings.HasPrefix(b.file, "sigstore/") {
			file = b.file
		}
		artifact := s.store.find(file, "")
		if b.file == "" || artifact == nil {
			return nil, "a bundle; the file that it is about is not there"
		}
		return []*subject{s.withBundle(r, artifact, found, s.anyBuild())}, ""
	}
	return nil, "belongs to a bundle, and is none"
}

// withBundle is a file beside which a bundle is found.
func (s *session) withBundle(r row, artifact, bundle *sample, trust verify.Trust) *subject {
	f := &subject{sample: artifact, kind: r.kind, trust: trust, bundle: bundle.file, as: path.Base(artifact.file)}
	if !strings.HasPrefix(bundle.file, artifact.file+".") {
		f.alias = map[string]string{artifact.file + ".sigstore.json": bundle.file}
	}
	return f
}

// suiteCase returns a case of the conformance suite, by the suite's rules: where the case has a trusted root, an artifact, a key or an
// identity of its own it lies in its directory.
func (s *session) suiteCase(name string, r row) ([]*subject, string) {
	dir := suiteFolder + name + "/"
	if r.file != dir+"bundle.sigstore.json" {
		return nil, "belongs to a bundle, and is none"
	}
	own := func(file string) *sample { return s.store.find(dir+file, "") }
	artifact, root, key := own("artifact"), own("trusted_root.json"), own("key.pub")
	inToto := strings.HasPrefix(name, "intoto-")
	if artifact == nil && !inToto {
		artifact = s.store.find(suiteFolder+"a.txt", "")
	}
	if artifact == nil || root == nil && (inToto || strings.HasPrefix(name, "rekor2-") || strings.HasPrefix(name, "trust-root-")) {
		return nil, "the case's own artifact or trusted root is not there: the suite has it"
	}
	anchor := verify.SigstoreAnchor{Anchor: "suite", Issuer: actions, Identity: suiteSigner, Rekor: 1, SCTs: 1}
	for into, file := range map[*string]string{&anchor.Identity: "identity", &anchor.Issuer: "issuer"} {
		if f := own(file); f != nil {
			*into = strings.TrimSpace(string(f.data))
		}
	}
	if root != nil {
		anchor.TrustedRoot = root.data
	}
	if key != nil {
		der := publicKeyOf(key.data)
		if der == nil {
			return nil, "its key is none that a policy takes"
		}
		if root == nil {
			root = s.store.find(publicGood, "")
		}
		if root == nil {
			return nil, "the trusted root of the public-good instance is not there"
		}
		anchor = verify.SigstoreAnchor{Anchor: "suite", Keys: [][]byte{der}, TrustedRoot: root.data, Rekor: 1}
	}
	bundle := s.store.find(r.file, r.sha256)
	return []*subject{s.withBundle(r, artifact, bundle, verify.Trust{Sigstore: []verify.SigstoreAnchor{anchor}})}, ""
}

// publicKeyOf returns a public key as policies read it; nil for what they refuse.
func publicKeyOf(data []byte) []byte {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return nil
	}
	return block.Bytes
}

// anyBuild trusts every workflow of GitHub's, and the keys of npm's registry: who in particular signed is not what the
// references were asked.
func (s *session) anyBuild() verify.Trust {
	t := verify.Trust{Sigstore: []verify.SigstoreAnchor{{Anchor: "workflows", Issuer: actions, Identity: "*", Rekor: 1, SCTs: 1}}}
	if keys := s.npmKeys(); keys != nil {
		npm := verify.SigstoreAnchor{Anchor: "npm", Keys: keys}
		if root := s.store.find(publicGood, ""); root != nil {
			npm.TrustedRoot, npm.Rekor = root.data, 1
		}
		t.Sigstore = append(t.Sigstore, npm)
	}
	return t
}

// npmKeys returns the keys by which npm's registry attests what it publishes.
func (s *session) npmKeys() (out [][]byte) {
	f := s.store.find("sigstore/npm-registry-keys.json", "")
	if f == nil {
		return nil
	}
	var list struct {
		Keys []struct {
			KeyUsage  string
			PublicKey struct{ RawBytes []byte }
		}
	}
	if json.Unmarshal(f.data, &list) != nil {
		return nil
	}
	for _, k := range list.Keys {
		if k.KeyUsage == "npm:attestations" {
			out = append(out, k.PublicKey.RawBytes)
		}
	}
	return out
}

// attestations returns a package of npm, at the place where its registry would have it, with the registry's attestations.
func (s *session) attestations(r row, found *sample) ([]*subject, string) {
	file, ok := strings.CutSuffix(r.file, ".json")
	if !ok {
		return nil, "a package; its attestations are judged"
	}
	artifact := s.store.find(file, "")
	if artifact == nil {
		return nil, "attestations; their package is not there"
	}
	name, version := packageOf(found.data)
	u, err := url.Parse(origin + name + "/-/" + path.Base(name) + "-" + version + ".tgz")
	if name == "" || err != nil {
		return nil, "attestations that name no package"
	}
	f := &subject{sample: artifact, kind: r.kind, trust: s.anyBuild(), url: u, root: npmFolder, bundle: r.file, as: name + "@" + version,
		alias: map[string]string{npmFolder + "-/npm/v1/attestations/" + name + "@" + version: r.file}}
	return []*subject{f}, ""
}

// packageOf returns the package that the first attestation is about.
func packageOf(data []byte) (name, version string) {
	var doc struct {
		Attestations []struct {
			Bundle struct{ DSSEEnvelope struct{ Payload string } }
		}
	}
	if json.Unmarshal(data, &doc) != nil || len(doc.Attestations) == 0 {
		return "", ""
	}
	payload, err := base64.StdEncoding.DecodeString(doc.Attestations[0].Bundle.DSSEEnvelope.Payload)
	var statement struct{ Subject []struct{ Name string } }
	if err != nil || json.Unmarshal(payload, &statement) != nil || len(statement.Subject) == 0 {
		return "", ""
	}
	purl, _ := url.PathUnescape(strings.TrimPrefix(statement.Subject[0].Name, "pkg:npm/"))
	at := strings.LastIndexByte(purl, '@')
	if at < 1 {
		return "", ""
	}
	return purl[:at], purl[at+1:]
}
