package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func TestWarningsNameIdentitiesThatAnybodyCouldHave(t *testing.T) {
	const actions, google, own = "https://token.actions.githubusercontent.com", "https://accounts.google.com", "https://login.corp.example"
	for _, c := range []struct{ issuer, who, want string }{
		{actions, "identity: 'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*'", ""},
		{actions, "identity: 'https://github.com/acme/*'", ""},
		{actions, "identity: 'https://github.com/acme*'", "more than one owner"},
		{actions, "identity: 'https://github.com/*/app/.github/workflows/release.yml@refs/tags/v1'", "more than one owner"},
		{actions, "identity: '*/.github/workflows/release.yml@refs/heads/main'", "more than one owner"},
		{actions, "identity: '*'", "fits every identity: anybody whom \"https://token.actions.githubusercontent.com\" vouches for"},
		{actions, "identity: 'https://*'", "more than one owner"},
		{actions, "identity: 'https://github.com/zz'", ""},
		{own, "identity: '*'", "fits every identity"},
		{own, "identity: '*', sct: 0, trusted_root: anchors/corp-trusted-root.json", ""},
		{actions, "identity: '*', sct: 0, trusted_root: anchors/corp-trusted-root.json", "more than one owner"},
		{own, "identity: '*@corp.example'", ""},
		{google, "identity: '*@acme.example'", ""},
		{google, "identity: '*acme.example'", "more than one owner"},
		{google, "identity: '*@gmail.com'", "more than one owner"},
		{google, "identity: 'alice@gmail.com'", ""},
		{"https://accounts.google.co*", "identity: '*@gmail.com'", "more than one owner"},
		{"*", "identity: '*@gmail.com'", "fits issuers on other hosts"},
		{"https://*.example", "identity: 'alice@corp.example'", "fits issuers on other hosts"},
		{"https://corp.example/*", "identity: 'alice@corp.example'", ""},
		{"token.actions.githubusercontent.com", "identity: 'https://github.com/acme/*'", "is no URL"},
		{actions, "identity: 'https://github.com/acme/app/x.yml@refs/tags/v[0-9]*'", `the character "[" stands for itself`},
		{actions, "identity_regexp: 'https://github\\.com/acme/.*'", ""},
		{actions, "identity_regexp: '.*'", "fits every identity"},
		{actions, "identity_regexp: '.+'", "fits every identity"},
		{actions, "identity_regexp: '(https://github.com/acme/.*)?'", "fits every identity"},
		{actions, "identity_regexp: 'https://github.com/.*'", "more than one owner"},
		{google, "identity_regexp: '.*@(gmail|acme)\\.com'", "more than one owner"},
	} {
		p := mustParse(t, anchored("{sigstore: {issuer: '"+c.issuer+"', "+c.who+"}}"))
		got := oddities(p)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s of %s: %q, want %q", c.who, c.issuer, got, c.want)
		}
	}
}

func TestWarningsNameWhatCannotWork(t *testing.T) {
	files := testFiles()
	files["bundles/a.json"].Data = []byte("{}")
	files["anchors/auditor-root.json"] = files["anchors/acme-root.json"]
	for _, name := range []string{"bundles/a.json", "bundles/b.jsonl"} {
		delete(files, name)
	}
	p := mustParseIn(t, files, `version: 1
anchors:
  empty: {sigstore: {issuer: "https://i.example", identity: a, bundles: [bundles]}}
  other: {sigstore: {key: keys/cosign.pub}}
  both: {tuf: {map: anchors/map.json, roots: {Acme: anchors/acme-root.json, Auditor: anchors/auditor-root.json}, targets: "https://t.example"}}
channels:
- {name: c, hosts: [v.example], require: [{provenance: {source: x}}]}
`)
	all := warningsOf(p, now)
	for _, want := range []string{
		`anchor empty: the folder "bundles" has no bundles in it`, "this provenance has no signed_by: the word of any of empty",
		"anchor both: the repositories Acme and Auditor have the same root metadata",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

func TestSignedByRepositoriesAndIdentities(t *testing.T) {
	other := bundled(nil)
	other.Status, other.Code, other.Detail = verify.Untrusted, "sigstore/other-identity", "no anchor names it"
	other.Signer = verify.Identity{Name: "mallory@example.org", Issuer: "https://accounts.google.com"}
	foreign := bundled(nil, "auditor")
	listed := verify.Finding{Method: "tuf", Status: verify.Valid, Anchors: []string{"repo"}, Signer: verify.Identity{Name: "role targets of repo"}}
	again := bundled(nil, "ci", "ci2")
	again.Signer.Fingerprint = "bb" // another certificate of the same workflow
	elsewhere := again
	elsewhere.Signer.Name = strings.Replace(workflow, "v1", "v2", 1)
	second := again
	second.Signer.Name = "https://ci.example/acme/app/other.yml@refs/tags/v1"
	src := strings.Replace(provenancePolicy, "  auditor:", "  ci2: {sigstore: {issuer: 'https://issuer.example', identity: 'https://ci.example/acme/*'}}\n  auditor:", 1)
	for _, c := range []struct {
		name, require string
		findings      []verify.Finding
		want          Action
		why           string
	}{
		{"an identity", "{signed_by: [ci]}", []verify.Finding{bundled(nil, "ci")}, Allow, `signed_by ci: the file is signed by "` + workflow + `" (sigstore, by https://issuer.example), which is ci (identity "https://ci.example/acme/*" by https://issuer.example)`},
		{"another anchor's", "{signed_by: [ci]}", []verify.Finding{foreign}, Quarantine, `the file is signed by "` + workflow + `" (sigstore, by https://issuer.example), but not by ci (identity`},
		{"nobody's", "{signed_by: [ci]}", []verify.Finding{other}, Quarantine, `sigstore/other-identity by "mallory@example.org" (sigstore, by https://accounts.google.com) (no anchor names it)`},
		{"the name without the anchor", "{signed_by: [ci]}", []verify.Finding{bundled(nil)}, Quarantine, ""},
		{"a key", "{signed_by: [auditor]}", []verify.Finding{foreign}, Allow, "which is auditor (Sigstore keys)"},
		{"a repository", "{signed_by: [repo]}", []verify.Finding{listed}, Allow, `"role targets of repo" (tuf), which is repo (a TUF repository for what is below https://v.example/)`},
		{"a repository's name used by another system", "{signed_by: [repo]}", []verify.Finding{bundled(nil, "repo")}, Quarantine, ""},
		{"an identity's name used by another system", "{signed_by: [ci]}", []verify.Finding{under("tuf", "", "ci")}, Quarantine, ""},
		{"two systems", "{signed_by: {anchors: [ci, repo], threshold: 2}}", []verify.Finding{bundled(nil, "ci"), listed}, Allow, ""},
		{"one workflow counts once whatever its certificates", "{signed_by: {anchors: [ci, ci2], threshold: 2}}", []verify.Finding{bundled(nil, "ci", "ci2"), again}, Quarantine, "1 of the 2"},
		{"whatever its ref", "{signed_by: {anchors: [ci, ci2], threshold: 2}}", []verify.Finding{bundled(nil, "ci", "ci2"), elsewhere}, Quarantine, "1 of the 2"},
		{"two workflows", "{signed_by: {anchors: [ci, ci2], threshold: 2}}", []verify.Finding{bundled(nil, "ci", "ci2"), second}, Allow, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustParse(t, strings.Replace(src, "%s", c.require, 1))
			for _, role := range []verify.Role{verify.Payload, verify.Metadata} {
				f := facts(t, "https://v.example/x", c.findings...)
				f.Update.Role = role
				d := p.Decide(f)
				if d.Action != c.want || !strings.Contains(strings.Join(d.Reasons, "\n"), c.why) {
					t.Errorf("%s: %q want %s and %q", d.Action, d.Reasons, c.want, c.why)
				}
			}
		})
	}
}

// Two addresses that share what stands before the @ are two signers.
func TestAddressesAreDifferentSigners(t *testing.T) {
	a, b := bundled(nil, "ci"), bundled(nil, "ci")
	a.Signer = verify.Identity{Name: "alice@acme.example", Issuer: "i", Fingerprint: "1"}
	b.Signer = verify.Identity{Name: "alice@evil.example", Issuer: "i", Fingerprint: "2"}
	if ids := identities([]*verify.Finding{&a, &b}); ids[0] == ids[1] {
		t.Error("two addresses are one signer")
	}
	b.Signer.Name = a.Signer.Name
	if ids := identities([]*verify.Finding{&a, &b}); ids[0] != ids[1] {
		t.Error("one address is two signers")
	}
	b.Signer.Issuer = "j"
	if ids := identities([]*verify.Finding{&a, &b}); ids[0] == ids[1] {
		t.Error("one address by two issuers is one signer")
	}
}

func TestDenyKnowsIdentitiesWhateverTheyMiss(t *testing.T) {
	p := mustParse(t, `
version: 1
anchors:
  thief: {sigstore: {issuer: "https://issuer.example", identity: "https://ci.example/thief/*", rekor: 3}}
  pattern: {sigstore: {issuer: "https://issuer.example", identity_regexp: "mallory@.*"}}
  key: {sigstore: {key: keys/cosign.pub}}
  repo: {tuf: {root: anchors/acme-root.json, metadata: "https://m.example", targets: "https://v.example"}}
  good: {authenticode: {organization: Good}}
deny: [{name: d, signed_by: [thief, pattern, key, repo]}]
channels: [{name: c, hosts: [v.example], require: [{signed_by: [good]}]}]
`)
	block, _ := pem.Decode(cosignKey())
	sum := sha256.Sum256(block.Bytes)
	for _, c := range []struct {
		name   string
		f      verify.Finding
		denied bool
	}{
		{"an identity", verify.Finding{Method: "sigstore", Status: verify.Valid, Anchors: []string{"thief"}}, true},
		{"an identity that misses thresholds", verify.Finding{Method: "sigstore", Status: verify.Untrusted, Signer: verify.Identity{Name: "https://ci.example/thief/x", Issuer: "https://issuer.example"}}, true},
		{"one that could not be told", verify.Finding{Method: "sigstore", Status: verify.Inconclusive, Signer: verify.Identity{Name: "https://ci.example/thief/x", Issuer: "https://issuer.example"}}, true},
		{"inside", verify.Finding{Subject: "a.dll", Method: "sigstore", Status: verify.Untrusted, Signer: verify.Identity{Name: "https://ci.example/thief/x", Issuer: "https://issuer.example"}}, true},
		{"by another issuer", verify.Finding{Method: "sigstore", Status: verify.Untrusted, Signer: verify.Identity{Name: "https://ci.example/thief/x", Issuer: "https://other.example"}}, false},
		{"another identity", verify.Finding{Method: "sigstore", Status: verify.Untrusted, Signer: verify.Identity{Name: "https://ci.example/other/x", Issuer: "https://issuer.example"}}, false},
		{"a pattern", verify.Finding{Method: "sigstore", Status: verify.Untrusted, Signer: verify.Identity{Name: "mallory@x", Issuer: "https://issuer.example"}}, true},
		{"all of a pattern", verify.Finding{Method: "sigstore", Status: verify.Untrusted, Signer: verify.Identity{Name: "xmallory@x", Issuer: "https://issuer.example"}}, false},
		{"nobody", verify.Finding{Method: "sigstore", Status: verify.Untrusted}, false},
		{"a key", verify.Finding{Method: "sigstore", Status: verify.Untrusted, Signer: verify.Identity{Fingerprint: hex.EncodeToString(sum[:])}}, true},
		{"another key", verify.Finding{Method: "sigstore", Status: verify.Untrusted, Signer: verify.Identity{Fingerprint: strings.Repeat("ab", 32)}}, false},
		{"a repository", verify.Finding{Method: "tuf", Status: verify.Valid, Anchors: []string{"repo"}}, true},
		{"a repository that does not list it", verify.Finding{Method: "tuf", Status: verify.Absent, Anchors: []string{"repo"}}, false},
		{"another system", verify.Finding{Method: "authenticode", Status: verify.Untrusted, Signer: verify.Identity{Name: "https://ci.example/thief/x", Issuer: "https://issuer.example"}}, false},
	} {
		d := p.Decide(facts(t, "https://v.example/x", signedAs("Good"), c.f))
		if (d.Rule == "deny d") != c.denied {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}
