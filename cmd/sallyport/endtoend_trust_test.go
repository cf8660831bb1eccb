package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

// trustRoom is a folder with a policy and a configuration, for `sallyport verify`.
type trustRoom struct {
	t   *testing.T
	dir string
}

func (r trustRoom) write(name string, data []byte) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// verify judges a file on a channel, and returns the exit code and the record.
func (r trustRoom) verify(channel string, image []byte) (int, audit.Record, string) {
	r.t.Helper()
	var out, errs bytes.Buffer
	code := run([]string{
		"verify", "--config", filepath.Join(r.dir, "sallyport.yaml"), "--channel", channel, "--json",
		r.write("x.exe", image),
	}, nil, &out, &errs)
	var rec audit.Record
	json.Unmarshal(out.Bytes(), &rec)
	return code, rec, errs.String()
}

func certPEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// A root that one anchor brings serves that anchor and no other, whatever name the certificate bears.
func TestPrivateRootsServeTheirAnchorOnly(t *testing.T) {
	public, acme, other := at.NewCA("Public Root"), at.NewCA("Acme Root"), at.NewCA("Other Root")
	r := trustRoom{t, t.TempDir()}
	t.Setenv("SALLYPORT_STATE", filepath.Join(r.dir, "state")) // there is none
	r.write("public.pem", certPEM(public.Certificate))
	r.write("acme.pem", certPEM(acme.Certificate))
	r.write("other.pem", certPEM(other.Certificate))
	r.write("sallyport.yaml", []byte("policy: policy.yaml\ntrust: {code_signing: public.pem, timestamping: public.pem}\n"))
	r.write("policy.yaml", []byte(`version: 1
anchors:
  acme: {authenticode: {organization: Acme, roots: acme.pem}}
  other: {authenticode: {organization: "*", roots: other.pem}}
  anybody: {authenticode: {organization: "*"}}
  acme-anywhere: {authenticode: {organization: Acme}}
channels:
- {name: acme, hosts: [a.example], require: [{signed_by: [acme]}]}
- {name: other, hosts: [b.example], require: [{signed_by: [other]}]}
- {name: anybody, hosts: [c.example], require: [{signed_by: [anybody]}]}
- {name: acme-anywhere, hosts: [d.example], require: [{signed_by: [acme-anywhere]}]}
`))
	cross := public.CrossSigned(acme)
	sign := func(s *at.Signer, more ...[]byte) []byte {
		return at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: s, Certificates: more})
	}
	for name, c := range map[string]struct {
		image []byte
		want  string // the channels that let it through
	}{
		"Acme under its root":                {sign(acme.Issue(at.Leaf{Organization: "Acme"})), "acme"},
		"Microsoft under Acme's root":        {sign(acme.Issue(at.Leaf{Organization: "Microsoft Corporation"})), ""},
		"Acme under another's root":          {sign(other.Issue(at.Leaf{Organization: "Acme"})), "other"},
		"Acme under everybody's root":        {sign(public.Issue(at.Leaf{Organization: "Acme"})), "anybody acme-anywhere"},
		"Acme under both, cross-signed":      {sign(acme.Issue(at.Leaf{Organization: "Acme"}), cross.Certificate.Raw), "acme anybody acme-anywhere"},
		"Acme under a root of the same name": {sign(at.NewCA("Acme Root").Issue(at.Leaf{Organization: "Acme"})), ""},
	} {
		var allowed []string
		for _, channel := range []string{"acme", "other", "anybody", "acme-anywhere"} {
			code, rec, errs := r.verify(channel, c.image)
			if code == exitError || rec.Decision == nil {
				t.Fatalf("%s: exit %d: %s", name, code, errs)
			}
			if code == exitDone {
				allowed = append(allowed, channel)
			}
		}
		if got := strings.Join(allowed, " "); got != c.want {
			t.Errorf("%s: let through by %q, want %q", name, got, c.want)
		}
	}
}

// Lists in files count for `verify`; one that cannot be read keeps the policy from being used.
func TestListsInFilesEndToEnd(t *testing.T) {
	public := at.NewCA("Public Root")
	vendor := public.Issue(at.Leaf{Organization: "Acme"})
	image := at.Sign(at.BuildPE(at.Image{}), at.Signature{Signer: vendor})
	r := trustRoom{t, t.TempDir()}
	t.Setenv("SALLYPORT_STATE", filepath.Join(r.dir, "state")) // there is none
	r.write("public.pem", certPEM(public.Certificate))
	r.write("sallyport.yaml", []byte("policy: policy.yaml\ntrust: {code_signing: public.pem}\n"))
	policy := func(section string) {
		r.write("policy.yaml", []byte("version: 1\nrevocation: "+section+"\nanchors: {acme: {authenticode: {organization: Acme}}}\nchannels: [{name: a, hosts: [a.example], require: [{signed_by: [acme]}]}]\n"))
	}
	now := time.Now()
	r.write("empty.crl", public.List(at.List{ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}))
	r.write("ended.crl", public.List(at.List{ThisUpdate: now.Add(-48 * time.Hour), NextUpdate: now.Add(-24 * time.Hour)}))
	revoked := public.List(at.List{ThisUpdate: now.Add(-time.Hour), Revoked: []at.Revoked{{Certificate: vendor.Certificate, At: now.Add(-2 * time.Hour), Reason: 1}}})
	r.write("revoked.crl", revoked)
	for section, want := range map[string]string{
		"{}":                                   "0 authenticode/valid",
		"{unknown: refuse}":                    "1 authenticode/revocation-unknown",
		"{crls: [empty.crl], unknown: refuse}": "0 authenticode/valid",
		"{crls: [ended.crl], unknown: refuse}": "1 authenticode/revocation-unknown",
		"{crls: [ended.crl], unknown: refuse, max_stale: 2d}": "0 authenticode/valid",
		"{crls: [revoked.crl]}":                               "1 authenticode/revoked",
		"{crls: [empty.crl, revoked.crl], unknown: allow}":    "1 authenticode/revoked",
	} {
		policy(section)
		code, rec, errs := r.verify("a", image)
		if got := string(rune('0'+code)) + " " + codes(rec); got != want {
			t.Errorf("%s: %s, want %s (%s)", section, got, want, errs)
		}
	}
	// The outline is right, an entry is not.
	broken := bytes.Clone(revoked)
	i := bytes.Index(broken, vendor.Certificate.SerialNumber.Bytes())
	broken[i-2] = 0x04
	r.write("broken.crl", broken)
	policy("{crls: [broken.crl]}")
	if code, _, errs := r.verify("a", image); code != exitError || !strings.Contains(errs, "broken.crl cannot be read") {
		t.Errorf("a broken list: exit %d: %s", code, errs)
	}
}
