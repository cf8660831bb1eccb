package sigstore_test

import (
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

const (
	npmURL    = "https://registry.example.com/npm/@acme/app/-/app-1.2.3.tgz"
	npmDoc    = "https://registry.example.com/npm/-/npm/v1/attestations/@acme%2Fapp@1.2.3"
	npmPURL   = "pkg:npm/%40acme/app@1.2.3"
	wheelURL  = "https://index.example.com/packages/aa/bb/acme_app-1.2.3-py3-none-any.whl"
	wheelDoc  = "https://index.example.com/integrity/acme-app/1.2.3/acme_app-1.2.3-py3-none-any.whl/provenance"
	wheelName = "acme_app-1.2.3-py3-none-any.whl"
)

func provenance(s sigstoretest.Signer, subjects ...sigstoretest.Subject) []byte {
	return instance.Attest(sigstoretest.Provenance(build, subjects...), s)
}

func TestEveryPlace(t *testing.T) {
	message := instance.Sign(update, signer)
	attestation := provenance(signer, sigstoretest.Of("app", update))
	elsewhere := provenance(signer, sigstoretest.Of("another", []byte("another")))
	key := sigstoretest.NewKey()
	keyed := sigstoretest.Signer{Key: key, NoLog: true, NoTimestamp: true}
	_, _, old := sigstoretest.Cosign(instance.Sign(update, sigstoretest.Signer{Identity: workflow, Issuer: issuer, NoTimestamp: true}))
	byKey, _, _ := sigstoretest.Cosign(instance.Sign(update, sigstoretest.Signer{Key: key}))
	valid := []string{"valid valid"}
	with := func(f func(*verify.SigstoreAnchor)) []verify.SigstoreAnchor { return []verify.SigstoreAnchor{acme(f)} }
	templates := func(t ...string) []verify.SigstoreAnchor {
		return with(func(a *verify.SigstoreAnchor) { a.Bundles = t })
	}
	sum := sigstoretest.Of("", update).Digest["sha256"]
	for _, c := range []struct {
		name string
		look look
		want []string
	}{
		{".sigstore.json", look{files: map[string][]byte{"app-1.2.3.tar.gz.sigstore.json": message}}, valid},
		{".sigstore", look{files: map[string][]byte{"app-1.2.3.tar.gz.sigstore": message}}, valid},
		{".bundle", look{files: map[string][]byte{"app-1.2.3.tar.gz.bundle": attestation}}, valid},
		{".intoto.jsonl", look{files: map[string][]byte{"app-1.2.3.tar.gz.intoto.jsonl": sigstoretest.Lines(elsewhere, attestation)}}, valid},
		{"multiple.intoto.jsonl", look{files: map[string][]byte{"multiple.intoto.jsonl": sigstoretest.Lines(elsewhere, attestation)}}, valid},
		{"multiple.intoto.jsonl about others", look{files: map[string][]byte{"multiple.intoto.jsonl": sigstoretest.Lines(elsewhere)}}, []string{"absent no-bundle"}},
		{"two places, two bundles", look{files: map[string][]byte{"app-1.2.3.tar.gz.sigstore.json": message, "app-1.2.3.tar.gz.intoto.jsonl": attestation}}, []string{"valid valid", "valid valid"}},
		{"two places, one bundle", look{files: map[string][]byte{"app-1.2.3.tar.gz.sigstore.json": message, "app-1.2.3.tar.gz.bundle": append(slices.Clone(message), '\n')}}, valid},
		{"cosign's old bundle", look{files: map[string][]byte{"app-1.2.3.tar.gz.bundle": old}}, valid},
		{"cosign's signature by a key", look{files: map[string][]byte{"app-1.2.3.tar.gz.sig": byKey}, anchors: []verify.SigstoreAnchor{keyAnchor("key", key)}}, valid},
		{"npm", look{url: npmURL, files: map[string][]byte{npmDoc: sigstoretest.NPM(provenance(signer, sigstoretest.OfNPM(npmPURL, update)))}}, valid},
		{"npm, with the registry's own", look{url: npmURL, files: map[string][]byte{npmDoc: sigstoretest.NPM(
			instance.Attest(sigstoretest.Publish("@acme/app", "1.2.3", sigstoretest.OfNPM(npmPURL, update)), keyed),
			provenance(signer, sigstoretest.OfNPM(npmPURL, update)))}}, []string{"untrusted unknown-key", "valid valid"}},
		{"npm, with an anchor for the registry", look{url: npmURL, anchors: []verify.SigstoreAnchor{acme(), keyAnchor("registry", key)}, files: map[string][]byte{npmDoc: sigstoretest.NPM(
			instance.Attest(sigstoretest.Publish("@acme/app", "1.2.3", sigstoretest.OfNPM(npmPURL, update)), keyed),
			provenance(signer, sigstoretest.OfNPM(npmPURL, update)))}}, []string{"valid valid", "valid valid"}},
		{"PyPI, same origin", look{url: wheelURL, files: map[string][]byte{wheelDoc: sigstoretest.PyPIProvenance(nil, instance.Attest(
			sigstoretest.Statement(sigstoretest.PyPI, nil, sigstoretest.Of(wheelName, update)), signer))}}, valid},
		{"PyPI, by template", look{url: wheelURL, anchors: templates("https://pypi.example.org/integrity/{package}/{version}/{name}/provenance"),
			files: map[string][]byte{"https://pypi.example.org/integrity/acme-app/1.2.3/" + wheelName + "/provenance": sigstoretest.PyPIProvenance(nil, instance.Attest(
				sigstoretest.Statement(sigstoretest.PyPI, nil, sigstoretest.Of(wheelName, update)), signer))}}, valid},
		{"GitHub's API, by template", look{anchors: templates("https://api.example.org/repos/acme/app/attestations/sha256:{sha256}"),
			files: map[string][]byte{"https://api.example.org/repos/acme/app/attestations/sha256:" + sum: sigstoretest.GitHubAttestations(1, attestation)}}, valid},
		{"GitHub's API, an address only", look{anchors: templates("https://api.example.org/a/{sha256}"),
			files: map[string][]byte{"https://api.example.org/a/" + sum: []byte(`{"attestations":[{"bundle":null,"bundle_url":"https://blob.example.net/1","repository_id":1}]}`)}}, []string{"inconclusive unavailable"}},
		{"GitHub's API, none", look{anchors: templates("https://api.example.org/a/{sha256}"), files: map[string][]byte{"https://api.example.org/a/" + sum: []byte(`{"attestations":[]}`)}}, []string{"absent no-bundle"}},
		{"template with directories", look{anchors: templates("https://b.example.org/x/{dir}/{name}.json", "https://b.example.org/y/{path}"),
			files: map[string][]byte{"https://b.example.org/x/app/v1.2.3/app-1.2.3.tar.gz.json": message, "https://b.example.org/y/app/v1.2.3/app-1.2.3.tar.gz": attestation}}, []string{"valid valid", "valid valid"}},
		{"template without a value", look{url: "https://dl.example.com/app.exe", anchors: templates("https://b.example.org/{package}/{version}")}, []string{"absent no-bundle"}},
		{"folder of the operator", look{anchors: with(func(a *verify.SigstoreAnchor) {
			a.Local = []verify.LocalBundle{{Name: "b/other.json", Data: elsewhere}, {Name: "b/app.json", Data: attestation}}
		})}, valid},
		{"folder of the operator with signatures over other files", look{anchors: with(func(a *verify.SigstoreAnchor) {
			a.Local = []verify.LocalBundle{{Name: "b/other.json", Data: instance.Sign([]byte("another"), signer)}, {Name: "b/app.json", Data: message}}
		})}, valid},
		{"folder of the operator with nothing about this file", look{anchors: with(func(a *verify.SigstoreAnchor) {
			a.Local = []verify.LocalBundle{{Name: "b/other.json", Data: instance.Sign([]byte("another"), signer)}, {Name: "b/broken.json", Data: message[:99]}, {Name: "b/none.json"}}
		})}, []string{"absent no-bundle"}},
		{"folder of the operator, by SHA-512", look{anchors: with(func(a *verify.SigstoreAnchor) {
			a.Local = []verify.LocalBundle{{Name: "b/npm.json", Data: sigstoretest.NPM(provenance(signer, sigstoretest.OfNPM(npmPURL, update)))}}
		})}, valid},
		{"a template for several files, with signatures over others", look{anchors: templates("https://b.example.org/{version}.jsonl"),
			files: map[string][]byte{"https://b.example.org/1.2.3.jsonl": sigstoretest.Lines(instance.Sign([]byte("another"), signer), message)}}, valid},
		{"array", look{files: map[string][]byte{"app-1.2.3.tar.gz.sigstore": slices.Concat([]byte("["), message, []byte(","), attestation, []byte("]"))}}, []string{"valid valid", "valid valid"}},
	} {
		t.Run(c.name, func(t *testing.T) { c.look.want(t, c.want...) })
	}
}

// TestOtherSystemsFiles: what is none of Sigstore's belongs to other formats.
func TestOtherSystemsFiles(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"OpenPGP":            {".sig": []byte("-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n")},
		"binary OpenPGP":     {".sig": {0x89, 0x02, 0x33, 4, 0, 1, 8}},
		"minisign":           {".sig": []byte("untrusted comment: x\nRUQ=\ntrusted comment: y\nAAAA\n")},
		"a git bundle":       {".bundle": []byte("# v2 git bundle\n")},
		"a key":              {".pem": []byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")},
		"base64 of unknown":  {".sig": []byte("MEUCIQDKa0worfSARTwf4L3pWpg3Rgmi51rrL0TTQNIKql5hngIhAJjD/oKmKm7TJDM2gXF5x/qm9tr2wSp6Pkh3qpdYsWvr")},
		"a page":             {".sigstore.json": []byte("<!doctype html><title>Not found</title>")},
		"an API's error":     {".sigstore.json": []byte(`{"message":"Not Found","status":"404"}`)},
		"text":               {".sigstore": []byte("not found\n")},
		"an array of others": {".bundle": []byte(`[{"name":"app"},1,"x",null]`)},
		"OCI manifest":       {".bundle": []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			l := look{files: map[string][]byte{}, anchors: []verify.SigstoreAnchor{acme(), keyAnchor("key", sigstoretest.NewKey())}}
			for suffix, data := range files {
				l.files["app-1.2.3.tar.gz"+suffix] = data
			}
			l.want(t, "absent no-bundle")
		})
	}
}

func TestWhereNothingIsLookedFor(t *testing.T) {
	l := look{anchors: []verify.SigstoreAnchor{}}
	if found := l.run(t); found != nil || l.asked != nil {
		t.Errorf("without anchors: %v, asked %q", found, l.asked)
	}
	v := sigstore.New()
	a := artifactAt(t, defaultURL, update)
	env := verify.Env{Sidecars: verify.NoSidecars{}, Trust: verify.Trust{Sigstore: []verify.SigstoreAnchor{acme()}}, At: at}
	if found, err := v.Verify(t.Context(), a, env); found != nil || err != nil {
		t.Errorf("without sidecars: %v, %v", found, err)
	}
	for _, name := range []string{"app.sigstore.json", "app.sig", "app.pem", "app.intoto.jsonl"} {
		if v.Match(artifactAt(t, name, update)) {
			t.Errorf("%s is looked at", name)
		}
	}
	inner := artifactAt(t, "app.exe", update)
	inner.Inner = true
	metadata := artifactAt(t, "app.exe", update)
	metadata.Role = verify.Metadata
	if v.Match(inner) || v.Match(metadata) {
		t.Error("an inner file or metadata is looked at")
	}
}

func TestUnavailable(t *testing.T) {
	(&look{fails: []string{"app-1.2.3.tar.gz.sigstore.json"}}).want(t, "inconclusive unavailable")
	(&look{fails: []string{"app-1.2.3.tar.gz.sigstore.json"}, files: map[string][]byte{"app-1.2.3.tar.gz.bundle": instance.Sign(update, signer)}}).want(t, "valid valid")
}
