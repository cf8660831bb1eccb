package policy

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// decidePolicy has one channel for each requirement; %s stands for it.
const decidePolicy = `
version: 1
defaults: {hosts: inspect, unproven: quarantine}
anchors:
  microsoft: {authenticode: {organization: Microsoft Corporation}}
  google: {authenticode: {organization: "Google *"}}
  anybody: {authenticode: {organization: "*"}}
  pinned: {authenticode: {organization: Foo A/S, common_name: "Foo *", issuer: "Good CA ?", thumbprint: [%[2]s]}}
  deb: {openpgp: {keyring: keys/archive.gpg}}
  rpm: {openpgp: {keyring: keys/other.gpg}}
  file: {digest: {sha256: [%[3]s]}}
  file2: {digest: {sha256: [%[3]s]}}
channels:
- {name: c, hosts: [v.example], require: [%[1]s]}
`

var thumb = strings.Repeat("c", 64)

func withRequirement(t testing.TB, requirement string) *Policy {
	return mustParse(t, fmt.Sprintf(decidePolicy, requirement, thumb, sum(1)))
}

func TestRequirements(t *testing.T) {
	inner := signedAs("Microsoft Corporation")
	inner.Subject = "disk1.cab/a.dll"
	stale := signedAs("Microsoft Corporation")
	stale.NotAfter = now.Add(-time.Second)
	fresh := signedAs("Microsoft Corporation")
	fresh.NotAfter = now.Add(time.Second)
	untrusted := signedAs("Microsoft Corporation")
	untrusted.Status = verify.Untrusted
	otherMethod := signedAs("Microsoft Corporation")
	otherMethod.Method = "msix"
	innerInvalid := invalid("authenticode/padding-data")
	innerInvalid.Subject = "inner.dll"
	foo := signedAs("Foo A/S")
	foo.Signer.CommonName, foo.Signer.Issuer, foo.Signer.Fingerprint = "Foo Release", "Good CA 2", strings.ToUpper(thumb)
	fooElse := foo
	fooElse.Signer.Fingerprint = strings.Repeat("d", 64)
	fooIssuer := foo
	fooIssuer.Signer.Issuer = "Good CA 22"
	nameless := verify.Finding{Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{Name: "x", Fingerprint: "aa"}}
	harmless := verify.Finding{Method: "authenticode", Status: verify.Valid, Code: "authenticode/known-tag"}
	absent := verify.Finding{Method: "authenticode", Status: verify.Absent, Code: "authenticode/unsigned"}
	timeout := verify.Finding{Method: "apt", Status: verify.Inconclusive, Code: "apt/timeout", Detail: "not verified within 1m"}
	sameKey := []verify.Finding{under("apt", "AA", "deb"), under("openpgp", "aa", "rpm")}
	for _, c := range []struct {
		name, require string
		findings      []verify.Finding
		want          Action
		why           string // part of the reasons
	}{
		{"the publisher", "{signed_by: [microsoft]}", []verify.Finding{signedAs("Microsoft Corporation")}, Allow, `signed_by microsoft: the file is signed by "Microsoft Corporation" (authenticode), which is microsoft (organization "Microsoft Corporation")`},
		{"another publisher", "{signed_by: [microsoft]}", []verify.Finding{signedAs("3CX Ltd")}, Quarantine, `signed_by microsoft: the file is signed by "3CX Ltd" (authenticode), but not by microsoft (organization "Microsoft Corporation")`},
		{"the name in another case", "{signed_by: [microsoft]}", []verify.Finding{signedAs("MICROSOFT CORPORATION")}, Quarantine, "but not by"},
		{"any of several", "{signed_by: [google, microsoft]}", []verify.Finding{signedAs("Microsoft Corporation")}, Allow, ""},
		{"no signature", "{signed_by: [microsoft]}", []verify.Finding{absent}, Quarantine, "the file is not signed by microsoft"},
		{"nothing found out", "{signed_by: [microsoft]}", nil, Quarantine, "nothing was found out"},
		{"a signature nobody vouches for", "{signed_by: [microsoft]}", []verify.Finding{untrusted}, Quarantine, ""},
		{"the signature of an inner file", "{signed_by: [microsoft]}", []verify.Finding{inner}, Quarantine, ""},
		{"a finding of another system", "{signed_by: [microsoft]}", []verify.Finding{otherMethod}, Quarantine, ""},
		{"a fact that has expired", "{signed_by: [microsoft]}", []verify.Finding{stale}, Quarantine, "has expired"},
		{"a fact that has not", "{signed_by: [microsoft]}", []verify.Finding{fresh}, Allow, ""},
		{"a wrong signature beside a good one", "{signed_by: [microsoft]}", []verify.Finding{signedAs("Microsoft Corporation"), invalid("authenticode/padding-data")}, Quarantine, "authenticode/padding-data (it is wrong)"},
		{"a wrong signature and a digest pin", "{signed_by: [file]}", []verify.Finding{invalid("authenticode/digest-mismatch")}, Quarantine, "defeats"},
		{"a wrong inner signature is for contents to judge", "{signed_by: [microsoft]}", []verify.Finding{signedAs("Microsoft Corporation"), innerInvalid}, Allow, ""},
		{"a good signature beside one that could not be told", "{signed_by: [microsoft]}", []verify.Finding{timeout, signedAs("Microsoft Corporation")}, Allow, ""},
		{"one that could not be told", "{signed_by: [deb]}", []verify.Finding{timeout}, Quarantine, "it could not be told who signed the file: apt/timeout (not verified within 1m)"},
		{"a wildcard", "{signed_by: [google]}", []verify.Finding{signedAs("Google LLC")}, Allow, ""},
		{"a wildcard that does not fit", "{signed_by: [google]}", []verify.Finding{signedAs("Googl LLC")}, Quarantine, ""},
		{"anybody", "{signed_by: [anybody]}", []verify.Finding{signedAs("Somebody")}, Allow, ""},
		{"anybody, without organization", "{signed_by: [anybody]}", []verify.Finding{nameless}, Allow, ""},
		{"anybody is not nobody", "{signed_by: [anybody]}", []verify.Finding{harmless}, Quarantine, ""},
		{"an organization is not matched by none", "{signed_by: [google]}", []verify.Finding{nameless}, Quarantine, ""},
		{"every part of an anchor", "{signed_by: [pinned]}", []verify.Finding{foo}, Allow, ""},
		{"another certificate of the publisher", "{signed_by: [pinned]}", []verify.Finding{fooElse}, Quarantine, ""},
		{"another issuer", "{signed_by: [pinned]}", []verify.Finding{fooIssuer}, Quarantine, ""},
		{"a keyring by apt", "{signed_by: [deb]}", []verify.Finding{under("apt", "AA", "deb")}, Allow, `the file is signed by "AA" (apt), which is deb (OpenPGP keys)`},
		{"another keyring", "{signed_by: [deb]}", []verify.Finding{under("apt", "AA", "rpm")}, Quarantine, ""},
		{"a keyring's name used by another system", "{signed_by: [deb]}", []verify.Finding{under("authenticode", "AA", "deb")}, Quarantine, ""},
		{"a publisher of packages", "{signed_by: [microsoft]}", []verify.Finding{signedAsBy("nuget", "Microsoft Corporation")}, Allow, ""},
		{"a publisher by a system of keys", "{signed_by: [microsoft]}", []verify.Finding{signedAsBy("minisign", "Microsoft Corporation")}, Quarantine, ""},
		{"a signed repository", "{signed_by: [deb]}", []verify.Finding{under("rpm-repo", "AA", "deb")}, Allow, ""},
		{"a publisher's name in Anchors", "{signed_by: [microsoft]}", []verify.Finding{under("authenticode", "AA", "microsoft")}, Quarantine, ""},
		{"a listed file", "{signed_by: [file]}", nil, Allow, "the file is listed in file (a list of files by their digests)"},
		{"two of two", "{signed_by: {anchors: [microsoft, deb], threshold: 2}}", []verify.Finding{signedAs("Microsoft Corporation"), under("apt", "AA", "deb")}, Allow, "and the file is signed by"},
		{"one of two", "{signed_by: {anchors: [microsoft, deb], threshold: 2}}", []verify.Finding{under("apt", "AA", "deb")}, Quarantine, "1 of the 2 that are wanted"},
		{"one publisher counts once though two anchors fit", "{signed_by: {anchors: [microsoft, anybody], threshold: 2}}", []verify.Finding{signedAs("Microsoft Corporation")}, Quarantine, ""},
		{"one publisher counts once though it signed twice", "{signed_by: {anchors: [microsoft, anybody], threshold: 2}}", []verify.Finding{signedAs("Microsoft Corporation"), fooAs("Microsoft Corporation", "11")}, Quarantine, ""},
		{"the fitting anchor is left for who needs it", "{signed_by: {anchors: [anybody, microsoft], threshold: 2}}", []verify.Finding{signedAs("Microsoft Corporation"), signedAs("Foo")}, Allow, ""},
		{"one key counts once though two keyrings have it", "{signed_by: {anchors: [deb, rpm], threshold: 2}}", sameKey, Quarantine, ""},
		{"one finding under two anchors", "{signed_by: {anchors: [deb, rpm], threshold: 2}}", []verify.Finding{under("apt", "AA", "deb", "rpm")}, Quarantine, ""},
		{"two keys under two anchors", "{signed_by: {anchors: [deb, rpm], threshold: 2}}", []verify.Finding{under("apt", "AA", "deb"), under("openpgp", "BB", "rpm")}, Allow, ""},
		{"two keys of one anchor", "{signed_by: {anchors: [deb, rpm], threshold: 2}}", []verify.Finding{under("apt", "AA", "deb"), under("openpgp", "BB", "deb")}, Quarantine, ""},
		{"unnamed keys count once", "{signed_by: {anchors: [deb, rpm], threshold: 2}}", []verify.Finding{under("apt", "", "deb"), under("apt", "", "rpm")}, Quarantine, ""},
		{"one digest in two lists", "{signed_by: {anchors: [file, file2], threshold: 2}}", nil, Quarantine, ""},
		{"any", "{any: [{signed_by: [google]}, {signed_by: [deb]}]}", []verify.Finding{under("apt", "AA", "deb")}, Allow, ""},
		{"any of none", "{any: [{signed_by: [google]}, {signed_by: [deb]}]}", []verify.Finding{signedAs("x")}, Quarantine, "any of ("},
		{"all", "{all: [{signed_by: [google]}, {signed_by: [deb]}]}", []verify.Finding{under("apt", "AA", "deb"), signedAs("Google LLC")}, Allow, "all of ("},
		{"not all", "{all: [{signed_by: [google]}, {signed_by: [deb]}]}", []verify.Finding{under("apt", "AA", "deb")}, Quarantine, ""},
		{"not", "{not: {signed_by: [google]}}", []verify.Finding{signedAs("x")}, Allow, "not (signed_by google"},
		{"not, and it is", "{not: {signed_by: [google]}}", []verify.Finding{signedAs("Google LLC")}, Quarantine, ""},
		{"not, and it could not be told", "{not: {signed_by: [google]}}", []verify.Finding{timeout}, Quarantine, ""},
		{"not, and nothing was found out", "{not: {signed_by: [google]}}", nil, Quarantine, ""},
		{"not, and a signature is wrong", "{not: {signed_by: [google]}}", []verify.Finding{signedAs("Google LLC"), invalid("x/y")}, Quarantine, ""},
		{"not not", "{not: {not: {signed_by: [google]}}}", []verify.Finding{timeout}, Quarantine, ""},
		{"any with one that could not be told", "{any: [{not: {signed_by: [google]}}, {signed_by: [deb]}]}", []verify.Finding{timeout}, Quarantine, ""},
		{"two requirements", "{signed_by: [google]}, {signed_by: [deb]}", []verify.Finding{signedAs("Google LLC")}, Quarantine, ""},
		{"two that hold", "{signed_by: [google]}, {signed_by: [deb]}", []verify.Finding{signedAs("Google LLC"), under("rpm", "1", "deb")}, Allow, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := withRequirement(t, c.require)
			for _, role := range []verify.Role{verify.Payload, verify.Metadata} {
				f := facts(t, "https://v.example/x", c.findings...)
				f.Update.Role = role
				d := p.Decide(f)
				if d.Action != c.want || d.Rule != "channel c" || d.Channel != "c" || d.Policy != p.Digest() || d.Observed {
					t.Errorf("%s: %+v", role, d)
				}
				if len(d.Reasons) == 0 || !strings.Contains(strings.Join(d.Reasons, "\n"), c.why) {
					t.Errorf("%s: reasons %q want %q", role, d.Reasons, c.why)
				}
			}
		})
	}
}

func fooAs(organization, fingerprint string) verify.Finding {
	f := signedAs(organization)
	f.Signer.Fingerprint = fingerprint
	return f
}

func TestOrderOfDecision(t *testing.T) {
	p := mustParse(t, fmt.Sprintf(`
version: 1
defaults: {hosts: inspect, unmatched: block}
anchors:
  good: {authenticode: {organization: Good}}
  thief: {authenticode: {organization: Thief}}
deny:
- {name: bad file, sha256: [%[1]s], reason: known}
- {name: here only, sha256: [%[2]s], hosts: [here.example]}
- {name: stolen, signed_by: [thief]}
exceptions:
- {name: EX, channel: c, sha256: [%[1]s, %[3]s], reason: urgent, owner: bob, expires: 2026-06-15}
- {name: OLD, channel: c, sha256: [%[4]s], reason: urgent, owner: bob, expires: 2026-06-14}
channels:
- {name: c, hosts: [c.example], require: [{signed_by: [good]}]}
- {name: d, hosts: [d.example], require: [{signed_by: [good]}], unproven: block}
- {name: o, hosts: [o.example], require: [{signed_by: [good]}], mode: observe}
- {name: n, hosts: [n.example], require: []}
`, sum(1), sum(2), sum(3), sum(4)))
	release := func(s verify.Digest, scope string, until time.Time) []Release {
		return []Release{{Record: "R1", SHA256: s, Scope: scope, Until: until}}
	}
	thief := signedAs("Thief")
	thief.Subject, thief.Status = "inner.dll", verify.Untrusted
	for _, c := range []struct {
		name     string
		url      string
		sum      verify.Digest
		findings []verify.Finding
		carried  string
		releases []Release
		want     Action
		rule     string
		observed bool
	}{
		{"deny comes before exceptions", "http://c.example/", sum(1), nil, "", nil, Block, "deny bad file", false},
		{"and before releases and signatures", "http://d.example/", sum(1), []verify.Finding{signedAs("Good")}, "", release(sum(1), "d", time.Time{}), Block, "deny bad file", false},
		{"in observe mode too", "http://o.example/", sum(1), nil, "", nil, Block, "deny bad file", false},
		{"outside every channel too", "http://x.example/", sum(1), nil, "", nil, Block, "deny bad file", false},
		{"a rule with a host elsewhere", "http://n.example/", sum(2), nil, "", nil, Allow, "channel n", false},
		{"a rule with a host there", "http://here.example/", sum(2), nil, "", nil, Block, "deny here only", false},
		{"a signer that is refused, inside and untrusted", "http://n.example/", sum(5), []verify.Finding{thief}, "", nil, Block, "deny stolen", false},
		{"an exception", "http://c.example/", sum(3), nil, "", nil, Allow, "exception EX", false},
		{"an exception over a wrong signature", "http://c.example/", sum(3), []verify.Finding{invalid("a/b")}, "", nil, Allow, "exception EX", false},
		{"of another channel", "http://d.example/", sum(3), nil, "", nil, Block, "channel d", false},
		{"one that has expired", "http://c.example/", sum(4), nil, "", nil, Quarantine, "channel c", false},
		{"on two channels it waives one", "http://d.example/", sum(3), nil, "c", nil, Block, "channel d", false},
		{"and the other must still prove", "http://d.example/", sum(3), []verify.Finding{signedAs("Good")}, "c", nil, Allow, "channel d", false},
		{"a release", "http://c.example/", sum(5), nil, "", release(sum(5), "c", time.Time{}), Allow, "release R1", false},
		{"a release until now", "http://c.example/", sum(5), nil, "", release(sum(5), "c", now), Allow, "release R1", false},
		{"a release that has ended", "http://c.example/", sum(5), nil, "", release(sum(5), "c", now.Add(-1)), Quarantine, "channel c", false},
		{"of another file", "http://c.example/", sum(5), nil, "", release(sum(6), "c", time.Time{}), Quarantine, "channel c", false},
		{"of another channel", "http://c.example/", sum(5), nil, "", release(sum(5), "n", time.Time{}), Quarantine, "channel c", false},
		{"of part of the scope", "http://d.example/", sum(5), nil, "c", release(sum(5), "c", time.Time{}), Block, "channel c+d", false},
		{"of the scope", "http://d.example/", sum(5), nil, "c", release(sum(5), "c+d", time.Time{}), Allow, "release R1", false},
		{"of no channel", "http://x.example/", sum(5), nil, "", release(sum(5), "", time.Time{}), Allow, "release R1", false},
		{"no channel", "http://x.example/", sum(5), []verify.Finding{signedAs("Good")}, "", nil, Block, "defaults.unmatched", false},
		{"observe decides all the same", "http://o.example/", sum(5), nil, "", nil, Quarantine, "channel o", true},
		{"observe and proven", "http://o.example/", sum(5), []verify.Finding{signedAs("Good")}, "", nil, Allow, "channel o", true},
		{"a lax channel does not loosen the one that redirected", "http://n.example/", sum(5), nil, "c", nil, Quarantine, "channel c", false},
		{"nor an observed one", "http://o.example/", sum(5), nil, "d", nil, Block, "channel d+o", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := facts(t, c.url, c.findings...)
			f.Update.SHA256, f.Releases = c.sum, c.releases
			if c.carried != "" {
				f.Request.Carried = []Carried{{Scope: c.carried}}
			}
			d := p.Decide(f)
			if d.Action != c.want || d.Rule != c.rule || d.Observed != c.observed || len(d.Reasons) == 0 {
				t.Errorf("%+v", d)
			}
		})
	}
}

// A key that was stolen is refused once its keyring says so itself, by a revocation, too; and in every block of a keyring.
func TestDenyKnowsARevokedKey(t *testing.T) {
	files := testFiles()
	second := newKey()
	files["keys/stolen.asc"] = &fstest.MapFile{Data: append(armoured(keyringData()), armoured(second)...)}
	p, err := Parse("p.yaml", files, []byte(`
version: 1
anchors: {stolen: {openpgp: {keyring: keys/stolen.asc}}, good: {authenticode: {organization: Good}}}
deny: [{name: thief, signed_by: [stolen]}]
channels: [{name: c, hosts: [c.example], require: [{signed_by: [good]}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, key string
		status            verify.Status
		want              Action
	}{
		{"revoked", "openpgp", fingerprintOf(t, keyringData()), verify.Untrusted, Block},
		{"revoked, in a package", "rpm", fingerprintOf(t, keyringData()), verify.Untrusted, Block},
		{"of the second block", "openpgp", strings.ToLower(fingerprintOf(t, second)), verify.Untrusted, Block},
		{"another key", "openpgp", strings.Repeat("AB", 20), verify.Untrusted, Allow},
		{"no key", "openpgp", "", verify.Untrusted, Allow},
		{"another system", "authenticode", fingerprintOf(t, keyringData()), verify.Untrusted, Allow},
	} {
		signature := verify.Finding{Method: c.method, Status: c.status, Code: c.method + "/revoked-key", Signer: verify.Identity{Fingerprint: c.key}}
		if d := p.Decide(facts(t, "http://c.example/a.bin", signedAs("Good"), signature)); d.Action != c.want {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

// An anchor that is nothing but its roots names what leads there, and not everybody who signs anything.
func TestDenyOfAnAuthority(t *testing.T) {
	p := mustParse(t, `
version: 1
anchors:
  lost: {authenticode: {roots: keys/acme-ca.pem}}
  anybody: {authenticode: {organization: "*", roots: keys/acme-ca.pem}}
  good: {authenticode: {organization: Good}}
deny: [{name: authority, signed_by: [lost, anybody]}]
channels: [{name: c, hosts: [c.example], require: [{signed_by: [good]}]}]
`)
	under := signedAs("Good")
	under.Status = verify.Untrusted
	for root := range p.anchors["lost"].roots {
		under.Signer.RootFingerprint = strings.ToUpper(root)
	}
	if d := p.Decide(facts(t, "http://c.example/a.exe", signedAs("Good"))); d.Action != Allow {
		t.Errorf("another authority's: %+v", d)
	}
	if d := p.Decide(facts(t, "http://c.example/a.exe", signedAs("Good"), under)); d.Action != Block || d.Rule != "deny authority" {
		t.Errorf("its own: %+v", d)
	}
}

func TestClientsOfOthersAreBlockedWhereTheirChannelObserves(t *testing.T) {
	p := mustParse(t, planPolicy)
	d := p.Decide(facts(t, "https://watch.example/x"))
	if d.Action != Block || !d.Observed || d.Rule != "channel watch" {
		t.Errorf("%+v", d)
	}
	f := facts(t, "https://v.example/lab/x")
	if d := p.Decide(f); d.Action != Block || d.Observed || d.Rule != "channel lab" {
		t.Errorf("%+v", d)
	}
}

func TestReasonsAreSafeToShow(t *testing.T) {
	p := withRequirement(t, "{signed_by: [microsoft]}")
	f := signedAs("Evil\x1b[2J\u202eCorp\n" + strings.Repeat("x", 5000))
	bad := verify.Finding{Method: "authenticode", Status: verify.Invalid, Code: "a/\x07b", Detail: "line\nline\u2028" + strings.Repeat("y", 9000)}
	for _, findings := range [][]verify.Finding{{f}, {bad}, {bad, bad, bad, bad, bad, bad, bad}} {
		for _, r := range p.Decide(facts(t, "https://v.example/x", findings...)).Reasons {
			if strings.ContainsAny(r, "\x1b\x07\n\u202e\u2028") || len(r) > 4000 {
				t.Errorf("reason %q", r)
			}
		}
	}
}

func signedAsBy(method, organization string) verify.Finding {
	f := signedAs(organization)
	f.Method = method
	return f
}
