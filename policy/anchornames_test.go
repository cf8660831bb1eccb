package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-project/sallyport/verify"
)

const narrowPolicy = `
version: 1
defaults: {hosts: inspect}
anchors:
  deb: {openpgp: {keyring: keys/archive.gpg}}
  rpm: {openpgp: {keyring: keys/other.gpg}}
  elsewhere: {openpgp: {keyring: keys/other.gpg}}
  ci: {sigstore: {issuer: "https://issuer.example", identity: "https://ci.example/acme/*"}}
  key: {sigstore: {key: keys/cosign.pub, bundles: ["https://e.example/{sha256}"]}}
  repo: {tuf: {root: anchors/acme-root.json, metadata: "https://m.example", targets: "https://v.example"}}
  microsoft: {authenticode: {organization: Microsoft Corporation}}
  thief: {authenticode: {organization: Thief}}
deny: [{name: d, signed_by: [thief]}]
channels:
- {name: nested, hosts: [n.example], require: [{any: [{all: [{not: {signed_by: [ci]}}, {contents: {signed_by: [microsoft]}}]}, {signed_by: {anchors: [repo, microsoft], threshold: 2}}]}]}
- {name: all, hosts: [p.example], require: [{provenance: {source: x}}]}
- {name: one, hosts: [q.example], require: [{provenance: {source: x, signed_by: [key]}}]}
- {name: nothing, hosts: [r.example], require: []}
- {name: index, hosts: ["*.mirror.example"], paths: ["/dists/**"], require: []}
- {name: packages, hosts: [deb.mirror.example], paths: ["/pool/**"], require: [{signed_by: [deb]}]}
- {name: wide, hosts: ["*.example"], paths: ["/wide/**"], require: [{signed_by: [rpm]}]}
- {name: far, hosts: [far.invalid], require: [{signed_by: [elsewhere]}]}
- {name: publisher, hosts: [publisher.invalid], require: [{any: [{same_publisher: true}, {listed: [good]}]}]}
- {name: weaker, hosts: [weaker.invalid], require: [{not: {never_weaker: true}}]}
- {name: aged, hosts: [aged.invalid], require: [{min_age: {for: 1d, clock: trusted}, on_inconclusive: allow}]}
- {name: frozen, hosts: [frozen.invalid], freeze: {at: 2026-01-01, clock: trusted}, require: []}
- {name: seen, hosts: [seen.invalid], freeze: 2026-01-01, require: [{min_age: 1d}]}
- {name: beside, hosts: [beside.invalid], require: [{signed_by: [elsewhere]}, {never_weaker: true}]}
- {name: view, hosts: [view.invalid], require: [{one_view: true}, {no_downgrade: true}]}
feeds: {good: {file: good.txt, good: true}}
`

func TestPlanNamesTheAnchorsThatCount(t *testing.T) {
	p := mustParse(t, narrowPolicy)
	for _, c := range []struct {
		url, carried, want string
	}{
		{"https://n.example/x", "", "ci microsoft repo rpm thief"},
		{"https://p.example/x", "", "ci key rpm thief"},
		{"https://q.example/x", "", "key rpm thief"},
		{"https://r.example/x", "", "rpm thief"},
		{"https://r.example/x", "one+far", "elsewhere key rpm thief"},
		{"https://deb.mirror.example/dists/x", "", "deb rpm thief"},
		{"https://other.mirror.example/dists/x", "", "deb rpm thief"},
		{"https://deb.mirror.example/pool/x", "", "deb rpm thief"},
		{"https://deb.mirror.example/none", "", "deb rpm thief"},
		{"https://other.mirror.example/none", "", "rpm thief"},
		{"https://far.invalid/x", "", "elsewhere thief"},
		{"https://unknown.invalid/x", "", "thief"},
		{"", "one", "key rpm thief"},
		{"https://publisher.invalid/x", "", "deb elsewhere microsoft rpm thief"},
		{"https://weaker.invalid/x", "", "deb elsewhere microsoft rpm thief"},
		{"https://aged.invalid/x", "", "deb elsewhere microsoft rpm thief"},
		{"https://frozen.invalid/x", "", "deb elsewhere microsoft rpm thief"},
		{"https://seen.invalid/x", "", "thief"},
		{"https://beside.invalid/x", "", "elsewhere microsoft thief"},
		{"https://view.invalid/x", "", "thief"},
	} {
		r := Request{}
		if c.url != "" {
			r.URL = mustURL(t, c.url)
		}
		if c.carried != "" {
			r.Carried = []Carried{{Scope: c.carried}}
		}
		if got := strings.Join(p.Plan(r).Anchors, " "); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.url, c.carried, got, c.want)
		}
	}
	if pl := p.Plan(Request{}); pl.Anchors != nil {
		t.Errorf("a refused request: %q", pl.Anchors)
	}
}

func TestTrustIsNarrowedToWhatIsPlanned(t *testing.T) {
	p := mustParse(t, narrowPolicy)
	trust := p.Trust(verify.Trust{})
	for u, want := range map[string]string{
		"https://q.example/x": "https://e.example/",
		"https://p.example/x": "https://e.example/ " + verify.PublicGoodTUF,
		"https://r.example/x": "",
		"https://n.example/x": "https://m.example/ " + verify.PublicGoodTUF,
	} {
		only := trust.Only(p.Plan(Request{URL: mustURL(t, u)}).Anchors)
		if got := strings.Join(only.Sources(), " "); got != want {
			t.Errorf("%s: %s, want %s", u, got, want)
		}
	}
	got := strings.Join(p.Explain(Request{Client: client("192.0.2.1"), URL: mustURL(t, "https://q.example/x")}), "\n")
	for _, want := range []string{`requires: provenance (slsa) that names source "x", signed by key (Sigstore keys)`, "may ask, besides the origin: https://e.example/"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := strings.Join(p.Explain(Request{Client: client("192.0.2.1"), URL: mustURL(t, "https://r.example/x")}), "\n"); strings.Contains(got, "may ask") {
		t.Errorf("it asks although nothing is required:\n%s", got)
	}
}

// often draws the first value ten times as often as each of the others.
func often[T any](first T, others ...T) *rapid.Generator[T] {
	return rapid.SampledFrom(append(slices.Repeat([]T{first}, 10), others...))
}

// narrowed is a finding as it is made under anchors of which some are left: what no other anchor vouches for is untrusted.
func narrowed(f verify.Finding, names []string) verify.Finding {
	if len(f.Anchors) == 0 {
		return f
	}
	f.Anchors = slices.DeleteFunc(slices.Clone(f.Anchors), func(a string) bool { return !contains(names, a) })
	if f.Status == verify.Valid && len(f.Anchors) == 0 {
		f.Status, f.Anchors = verify.Untrusted, nil
		if f.Signer.IsZero() {
			f.Signer.Name = "somebody"
		}
	}
	return f
}

// No decision depends on an anchor that Plan does not name.
func TestNarrowingNeverChangesADecision(t *testing.T) {
	requirement := func(rt *rapid.T) string {
		if !rapid.Bool().Draw(rt, "provenance") {
			return strings.NewReplacer("google", "ci", "anybody", "key", "file", "repo").Replace(drawRequirement(rt, 2))
		}
		s := "{provenance: {source: " + rapid.SampledFrom([]string{"x", "'*'", "z*"}).Draw(rt, "wanted")
		if rapid.Bool().Draw(rt, "by") {
			s += ", signed_by: [" + rapid.SampledFrom([]string{"ci", "key", "ci, key"}).Draw(rt, "attesters") + "]"
		}
		if s += "}}"; rapid.Bool().Draw(rt, "negated") {
			s = "{not: " + s + "}"
		}
		return s
	}
	finding := func(rt *rapid.T) verify.Finding {
		f := drawFinding(rt)
		f.Status = often(verify.Valid, verify.Untrusted, verify.Absent, verify.Inconclusive, verify.Invalid).Draw(rt, "result")
		f.Subject = often("", "inner.dll").Draw(rt, "where")
		f.NotAfter = often(time.Time{}, now.Add(-time.Hour)).Draw(rt, "until")
		f.Method = rapid.SampledFrom([]string{"authenticode", "apt", "openpgp", "sigstore", "sigstore", "sigstore", "sigstore", "tuf"}).Draw(rt, "by")
		if f.Method != "authenticode" {
			f.Anchors = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"deb", "rpm", "ci", "key", "repo", "elsewhere"}), 0, 3, rapid.ID).Draw(rt, "anchors")
		} else {
			f.Anchors = nil
		}
		if f.Method == "sigstore" {
			f.Anchors = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"ci", "key"}), 1, 2, rapid.ID).Draw(rt, "known")
			f.Signer.Name, f.Signer.Issuer = rapid.SampledFrom([]string{"a", "https://ci.example/acme/x@1", "https://ci.example/acme/x@2"}).Draw(rt, "name"), "https://issuer.example"
			if often(true, false).Draw(rt, "states") {
				f.Attestation = &verify.Attestation{Predicate: "slsa", Source: often("x", "", "y").Draw(rt, "source")}
			}
		}
		return f
	}
	rapid.Check(t, func(rt *rapid.T) {
		deny := often("thief", "ci", "key, repo", "elsewhere").Draw(rt, "denied")
		src := strings.Replace(narrowPolicy, "signed_by: [thief]", "signed_by: ["+deny+"]", 1)
		src = strings.Replace(src, "hosts: [r.example], require: []", fmt.Sprintf("hosts: [r.example], require: [%s]", requirement(rt)), 1)
		p := mustParse(t, src)
		f := facts(t, often("https://r.example/x", "https://unknown.invalid/x").Draw(rt, "url"), rapid.SliceOfN(rapid.Custom(finding), 1, 4).Draw(rt, "findings")...)
		f.Update.Role = often(verify.Payload, verify.Metadata).Draw(rt, "role")
		if often(false, true).Draw(rt, "redirected") {
			f.Request.Carried = []Carried{{Scope: rapid.SampledFrom([]string{"all", "one", "packages", "nested+one"}).Draw(rt, "carried")}}
		}
		before := p.Decide(f)
		names := p.Plan(f.Request).Anchors
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			rt.Fatalf("%q is not sorted, or has doubles", names)
		}
		for i := range f.Report.Findings {
			f.Report.Findings[i] = narrowed(f.Report.Findings[i], names)
		}
		if after := p.Decide(f); after.Action != before.Action || after.Rule != before.Rule {
			rt.Fatalf("narrowed to %q it is %s by %s (%q), and was %s by %s (%q)", names, after.Action, after.Rule, after.Reasons, before.Action, before.Rule, before.Reasons)
		}
	})
}

// Who is shown to be one signer by a key that nobody asks about is one all the same.
func TestNarrowingMakesNoTwoSignersOfOne(t *testing.T) {
	p := withRequirement(t, "{signed_by: {anchors: [deb, rpm], threshold: 2}}")
	first, second, link := under("apt", "AA", "deb"), under("apt", "BB", "rpm"), under("openpgp", "AA")
	second.Signer.Organization, link.Signer.Organization = "Acme", "Acme"
	if d := p.Decide(facts(t, "https://v.example/x", first, second)); d.Action != Allow {
		t.Errorf("two signers: %+v", d)
	}
	for _, status := range []verify.Status{verify.Valid, verify.Untrusted} {
		link.Status = status
		if d := p.Decide(facts(t, "https://v.example/x", first, second, link)); d.Action == Allow {
			t.Errorf("%s: %+v", status, d)
		}
	}
}
