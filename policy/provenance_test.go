package policy

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-project/sallyport/verify"
)

// provenancePolicy has one channel for each requirement; %s stands for it.
const provenancePolicy = `
version: 1
defaults: {hosts: inspect}
anchors:
  ci: {sigstore: {issuer: "https://issuer.example", identity: "https://ci.example/acme/*"}}
  auditor: {sigstore: {key: keys/cosign.pub}}
  repo: {tuf: {root: anchors/acme-root.json, metadata: "https://m.example", targets: "https://v.example"}}
channels:
- {name: c, hosts: [v.example], require: [%s]}
`

func withProvenance(t testing.TB, requirement string) *Policy {
	return mustParse(t, fmt.Sprintf(provenancePolicy, requirement))
}

const workflow = "https://ci.example/acme/app/release.yml@refs/tags/v1"

// bundled is a finding about a bundle that is valid under anchors.
func bundled(a *verify.Attestation, anchors ...string) verify.Finding {
	return verify.Finding{Method: "sigstore", Status: verify.Valid, Code: "sigstore/valid", Anchors: anchors, Attestation: a,
		Signer: verify.Identity{Name: workflow, Issuer: "https://issuer.example", Fingerprint: "aa"}}
}

// built is SLSA provenance of a release of acme/app.
func built() *verify.Attestation {
	return &verify.Attestation{PredicateType: "https://slsa.dev/provenance/v1", Predicate: "slsa", Builder: "https://builder.example/b1", Source: "https://git.example/acme/app", Ref: "refs/tags/v1.2"}
}

func TestProvenance(t *testing.T) {
	change := func(f verify.Finding, change func(*verify.Finding)) verify.Finding {
		change(&f)
		return f
	}
	good := bundled(built(), "ci")
	said := func(change func(*verify.Attestation)) verify.Finding {
		a := built()
		change(a)
		return bundled(a, "ci")
	}
	run := func(w verify.Workload) verify.Finding {
		f := bundled(built(), "ci")
		f.Workload = &w
		return f
	}
	vsa := func(result string) verify.Finding {
		return bundled(&verify.Attestation{PredicateType: "https://slsa.dev/verification_summary/v1", Predicate: "vsa", Builder: "https://auditor.example", Result: result}, "ci")
	}
	release := bundled(&verify.Attestation{PredicateType: "https://in-toto.io/attestation/release/v0.2", Predicate: "github-release"}, "ci")
	publish := bundled(&verify.Attestation{PredicateType: "https://docs.pypi.org/attestations/publish/v1", Predicate: "publish"}, "ci")
	publish.Workload = &verify.Workload{Source: "https://git.example/acme/app", Ref: "refs/tags/v1.2"}
	absent := verify.Finding{Method: "sigstore", Status: verify.Absent, Code: "sigstore/no-bundle", Detail: "there is no bundle"}
	timeout := verify.Finding{Method: "sigstore", Status: verify.Inconclusive, Code: "sigstore/unavailable"}
	untrusted := change(bundled(built()), func(f *verify.Finding) {
		f.Status, f.Code, f.Signer.Name = verify.Untrusted, "sigstore/other-identity", "mallory@example.org"
	})
	const source = "{provenance: {source: 'https://git.example/acme/app', signed_by: [ci]}}"
	const ref = "{provenance: {ref: 'refs/tags/v*', signed_by: [ci]}}"
	for _, c := range []struct {
		name, require string
		findings      []verify.Finding
		want          Action
		why           string // part of the reasons
	}{
		{"the source", source, []verify.Finding{good}, Allow, `provenance: "` + workflow + `" (sigstore, by https://issuer.example), which is ci (identity "https://ci.example/acme/*" by https://issuer.example), states (slsa), source "https://git.example/acme/app", ref "refs/tags/v1.2", builder "https://builder.example/b1"`},
		{"everything", "{provenance: {source: '*/acme/app', ref: 'refs/tags/v1.*', builder: 'https://builder.example/*', predicate: slsa, signed_by: [ci, auditor]}}", []verify.Finding{good}, Allow, ""},
		{"by any anchor", "{provenance: {source: '*'}}", []verify.Finding{bundled(built(), "auditor")}, Allow, ""},
		{"another source", source, []verify.Finding{said(func(a *verify.Attestation) { a.Source = "https://git.example/mallory/app" })}, Quarantine, `the provenance names source "https://git.example/mallory/app", wanted "https://git.example/acme/app"`},
		{"a longer source", source, []verify.Finding{said(func(a *verify.Attestation) { a.Source += "2" })}, Quarantine, ""},
		{"the source in another case", source, []verify.Finding{said(func(a *verify.Attestation) { a.Source = strings.ToUpper(a.Source) })}, Quarantine, ""},
		{"no source", source, []verify.Finding{said(func(a *verify.Attestation) { a.Source = "" })}, Quarantine, `the provenance names no source, wanted "https://git.example/acme/app"`},
		{"another ref", ref, []verify.Finding{said(func(a *verify.Attestation) { a.Ref = "refs/heads/main" })}, Quarantine, `the provenance names ref "refs/heads/main", wanted "refs/tags/v*"`},
		{"no ref", ref, []verify.Finding{said(func(a *verify.Attestation) { a.Ref = "" })}, Quarantine, "names no ref"},
		{"another builder", "{provenance: {builder: 'https://builder.example/b2'}}", []verify.Finding{good}, Quarantine, `the provenance names builder "https://builder.example/b1"`},
		{"two things", "{provenance: {builder: x, ref: y}}", []verify.Finding{good}, Quarantine, `wanted "y", and the provenance names builder`},
		{"the certificate agrees", source, []verify.Finding{run(verify.Workload{Source: "https://git.example/acme/app", Ref: "refs/heads/main"})}, Allow, ""},
		{"the certificate names another source", source, []verify.Finding{run(verify.Workload{Source: "https://git.example/mallory/app"})}, Quarantine, `the signer's certificate names source "https://git.example/mallory/app", wanted`},
		{"the certificate names another ref", ref, []verify.Finding{run(verify.Workload{Ref: "refs/heads/main"})}, Quarantine, "the signer's certificate names ref"},
		{"the certificate alone names the source", "{provenance: {source: 'https://git.example/acme/app', ref: 'refs/tags/*', predicate: publish}}", []verify.Finding{publish}, Allow, `source "https://git.example/acme/app"`},
		{"the statement contradicts the certificate", source, []verify.Finding{change(said(func(a *verify.Attestation) { a.Source = "https://git.example/mallory/app" }), func(f *verify.Finding) {
			f.Workload = &verify.Workload{Source: "https://git.example/acme/app"}
		})}, Quarantine, "the provenance names source"},
		{"a builder is not named by certificates", "{provenance: {builder: '*', predicate: publish}}", []verify.Finding{publish}, Quarantine, "names no builder"},
		{"slsa unless it is said", source, []verify.Finding{publish}, Quarantine, `is of kind "publish", wanted "slsa"`},
		{"another kind beside the right one", source, []verify.Finding{publish, release, good}, Allow, ""},
		{"a misfit says more than another kind", source, []verify.Finding{release, said(func(a *verify.Attestation) { a.Source = "x" })}, Quarantine, `source "x"`},
		{"any kind", "{provenance: {signed_by: [ci]}}", []verify.Finding{release}, Allow, ""},
		{"a kind", "{provenance: {predicate: github-release}}", []verify.Finding{release}, Allow, ""},
		{"a type", "{provenance: {predicate: 'https://in-toto.io/attestation/release/v0.2'}}", []verify.Finding{release}, Allow, ""},
		{"another type", "{provenance: {predicate: 'https://in-toto.io/attestation/release/v0.1'}}", []verify.Finding{release}, Quarantine, ""},
		{"a type is no pattern", "{provenance: {predicate: 'https://in-toto.io/*'}}", []verify.Finding{release}, Quarantine, ""},
		{"a kind of none", "{provenance: {predicate: 'https://x.example/v1'}}", []verify.Finding{bundled(&verify.Attestation{PredicateType: "https://y.example/v1"}, "ci")}, Quarantine, `of kind "https://y.example/v1"`},
		{"verified", "{provenance: {predicate: vsa}}", []verify.Finding{vsa("PASSED")}, Allow, "that it passed verification"},
		{"verified, and failed", "{provenance: {predicate: vsa}}", []verify.Finding{vsa("FAILED")}, Quarantine, `is "FAILED", wanted PASSED`},
		{"verified, without result", "{provenance: {predicate: vsa}}", []verify.Finding{vsa("")}, Quarantine, "wanted PASSED"},
		{"a failed one is no statement of any kind", "{provenance: {signed_by: [ci]}}", []verify.Finding{vsa("FAILED")}, Quarantine, "wanted PASSED"},
		{"nor of its type", "{provenance: {predicate: 'https://slsa.dev/verification_summary/v1'}}", []verify.Finding{vsa("FAILED")}, Quarantine, "wanted PASSED"},
		{"one that failed beside one that passed", "{provenance: {predicate: vsa}}", []verify.Finding{vsa("FAILED"), vsa("PASSED")}, Allow, ""},
		{"a verifier", "{provenance: {predicate: vsa, builder: 'https://auditor.example'}}", []verify.Finding{vsa("PASSED")}, Allow, ""},
		{"by another anchor", source, []verify.Finding{bundled(built(), "auditor")}, Quarantine, "is by " + `"` + workflow + `" (sigstore, by https://issuer.example), but not by ci`},
		{"by nobody whom an anchor vouches for", source, []verify.Finding{untrusted}, Quarantine, `is by "mallory@example.org" (sigstore, by https://issuer.example), but not by ci`},
		{"under no anchor", source, []verify.Finding{bundled(built())}, Quarantine, ""},
		{"by another system", source, []verify.Finding{change(good, func(f *verify.Finding) { f.Method = "tuf" })}, Quarantine, "nothing was found out"},
		{"about an inner file", source, []verify.Finding{change(good, func(f *verify.Finding) { f.Subject = "a.dll" })}, Quarantine, "nothing was found out"},
		{"a statement that is not valid", source, []verify.Finding{change(good, func(f *verify.Finding) { f.Status = verify.Absent })}, Quarantine, ""},
		{"expired", source, []verify.Finding{change(good, func(f *verify.Finding) { f.NotAfter = now.Add(-time.Second) })}, Quarantine, "has expired"},
		{"not expired", source, []verify.Finding{change(good, func(f *verify.Finding) { f.NotAfter = now.Add(time.Second) })}, Allow, ""},
		{"a bundle that is wrong", source, []verify.Finding{good, {Method: "sigstore", Status: verify.Invalid, Code: "sigstore/signature"}}, Quarantine, "defeats every statement about it: sigstore/signature"},
		{"something else that is wrong", source, []verify.Finding{good, invalid("authenticode/padding-data")}, Quarantine, "defeats"},
		{"a signature without statement", source, []verify.Finding{bundled(nil, "ci")}, Quarantine, "comes without a statement about provenance"},
		{"none", source, []verify.Finding{absent}, Quarantine, "the file comes without provenance by ci (identity"},
		{"nothing found out", source, nil, Quarantine, "nothing was found out"},
		{"a signature of another system", source, []verify.Finding{signedAs("Acme")}, Quarantine, "nothing was found out"},
		{"could not be asked", source, []verify.Finding{timeout}, Quarantine, "it could not be told where the file comes from: sigstore/unavailable"},
		{"could not be asked everywhere", source, []verify.Finding{timeout, good}, Allow, ""},
		{"not", "{not: " + source + "}", []verify.Finding{said(func(a *verify.Attestation) { a.Source = "x" })}, Allow, ""},
		{"not, and it is", "{not: " + source + "}", []verify.Finding{good}, Quarantine, ""},
		{"not, and nothing was found out", "{not: " + source + "}", nil, Quarantine, ""},
		{"not, and it could not be told", "{not: " + source + "}", []verify.Finding{timeout}, Quarantine, ""},
		{"not, and a bundle is wrong", "{not: " + source + "}", []verify.Finding{invalid("x/y")}, Quarantine, ""},
		{"any", "{any: [{signed_by: [auditor]}, " + source + "]}", []verify.Finding{good}, Allow, ""},
		{"all", "{all: [{signed_by: [ci]}, " + source + "]}", []verify.Finding{good}, Allow, ""},
		{"all, and one is lacking", "{all: [{signed_by: [repo]}, " + source + "]}", []verify.Finding{good}, Quarantine, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := withProvenance(t, c.require)
			d := p.Decide(facts(t, "https://v.example/x", c.findings...))
			if d.Action != c.want || !strings.Contains(strings.Join(d.Reasons, "\n"), c.why) {
				t.Errorf("%s: %q want %s and %q", d.Action, d.Reasons, c.want, c.why)
			}
			if !p.Plan(Request{URL: mustURL(t, "https://v.example/x")}).Sidecars {
				t.Error("nothing is asked for")
			}
		})
	}
}

func TestProvenanceIsAskedOfPayloads(t *testing.T) {
	p := withProvenance(t, "{provenance: {source: x}}")
	f := facts(t, "https://v.example/index.xml")
	f.Update.Role = verify.Metadata
	if d := p.Decide(f); d.Action != Allow || !strings.Contains(d.Reasons[0], "this is metadata") {
		t.Errorf("%+v", d)
	}
	for what, change := range map[string]func(*Facts){
		"a program":           func(f *Facts) { f.Update.Format = "pe" },
		"a program inside":    func(f *Facts) { f.Report.Contents = &verify.Contents{Executables: 1} },
		"something not read":  func(f *Facts) { f.Report.Contents = &verify.Contents{Unread: 1} },
		"a payload after all": func(f *Facts) { f.Update.Role = verify.Payload },
	} {
		g := f
		change(&g)
		if d := p.Decide(g); d.Action == Allow {
			t.Errorf("%s lies where metadata does: %+v", what, d)
		}
	}
	both := withProvenance(t, "{signed_by: [repo]}, {provenance: {source: x}}")
	if d := both.Decide(f); d.Action == Allow {
		t.Errorf("metadata that nobody signed: %+v", d)
	}
}

// Who signs under the name of an anchor of another kind, or of none, never vouches for provenance.
func TestProvenanceNeverHoldsWithoutAFittingStatement(t *testing.T) {
	text := rapid.SampledFrom([]string{"", "x", "https://git.example/acme/app", "refs/tags/v1.2", "refs/heads/main", "PASSED"})
	rapid.Check(t, func(rt *rapid.T) {
		var findings []verify.Finding
		for range rapid.IntRange(0, 3).Draw(rt, "n") {
			f := bundled(nil, rapid.SliceOfN(rapid.SampledFrom([]string{"ci", "auditor", "repo"}), 0, 2).Draw(rt, "anchors")...)
			f.Status = verify.Status(rapid.IntRange(0, 4).Draw(rt, "status"))
			f.Method = rapid.SampledFrom([]string{"sigstore", "sigstore", "tuf"}).Draw(rt, "method")
			if rapid.Bool().Draw(rt, "states") {
				f.Attestation = &verify.Attestation{Predicate: rapid.SampledFrom(append([]string{""}, predicates...)).Draw(rt, "kind"), Source: text.Draw(rt, "source"), Ref: text.Draw(rt, "ref"), Result: text.Draw(rt, "result")}
			}
			if rapid.Bool().Draw(rt, "runs") {
				f.Workload = &verify.Workload{Source: text.Draw(rt, "certified source"), Ref: text.Draw(rt, "certified ref")}
			}
			findings = append(findings, f)
		}
		p := withProvenance(t, "{provenance: {source: 'https://git.example/acme/app', ref: 'refs/tags/*', signed_by: [ci]}}")
		want := false
		for _, f := range findings {
			if f.Status == verify.Invalid {
				want = false
				break
			}
			a, w := f.Attestation, f.Workload
			if a == nil || f.Status != verify.Valid || f.Method != "sigstore" || !contains(f.Anchors, "ci") || a.Predicate != "slsa" {
				continue
			}
			source := a.Source == "https://git.example/acme/app" || a.Source == "" && w != nil && w.Source != ""
			ref := a.Ref == "refs/tags/v1.2" || a.Ref == "" && w != nil && w.Ref != ""
			if source && ref && (w == nil || (w.Source == "" || w.Source == "https://git.example/acme/app") && (w.Ref == "" || w.Ref == "refs/tags/v1.2")) {
				want = true
			}
		}
		for _, f := range findings {
			want = want && f.Status != verify.Invalid
		}
		if d := p.Decide(facts(t, "https://v.example/x", findings...)); (d.Action == Allow) != want {
			rt.Fatalf("%s, want allowed %t: %q of %+v", d.Action, want, d.Reasons, findings)
		}
	})
}

func TestStars(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "A", false}, {"a", "ab", false}, {"a*", "a", true}, {"a*", "ab/c", true}, {"*a", "ba", true}, {"*a", "ab", false}, {"*", "", true}, {"*", "x/y", true},
		{"a*a", "a", false}, {"a*a", "aa", true}, {"a*b*a", "aba", true}, {"a*b*a", "aab", false}, {"*ab*ab", "abab", true}, {"*ab*ab", "ab", false}, {"**", "", true}, {"a**b", "axb", true},
		{"a?", "ab", false}, {"a?", "a?", true}, {"[a]", "a", false}, {"[a]", "[a]", true}, {"{a,b}", "a", false}, {`\*`, `\x`, true}, {"", "", true}, {"", "x", false}, {"é*", "éa", true},
		{"https://github.com/acme/*", "https://github.com/acme-evil/x", false}, {"refs/tags/*", "refs/tags/v1/2", true}, {"*.example", "example", false},
	} {
		if got := starred(c.pattern, c.text); got != c.want {
			t.Errorf("%q on %q: %t", c.pattern, c.text, got)
		}
	}
}

func TestStarsAreRegularExpressions(t *testing.T) {
	letters := rapid.StringOfN(rapid.SampledFrom([]rune("ab*/?")), 0, 8, -1)
	rapid.Check(t, func(rt *rapid.T) {
		pattern, text := letters.Draw(rt, "pattern"), letters.Draw(rt, "text")
		re := regexp.MustCompile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + `\z`)
		if got := starred(pattern, text); got != re.MatchString(text) {
			rt.Fatalf("%q on %q: %t", pattern, text, got)
		}
	})
}
