package policy

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-project/sallyport/verify"
)

// evidenceExpressions look at what was found out about the update, and hold of none about which nothing is known.
var evidenceExpressions = []string{
	"signed_by('microsoft')", "!signed_by('google')", "signed_by('deb') && !signed_by('rpm') || signed_by('file')",
	"signers.exists(s, s.organization == 'Google LLC')", "!signers.exists(s, s.organization == 'Other')", "size(signers) == 0",
	"signers.all(s, s.organization in ['', 'Google LLC', 'Microsoft Corporation'])", "signers.exists_one(s, 'deb' in s.anchors)",
	"signers.filter(s, s.method == 'apt').size() == 0", "signers.map(s, s.fingerprint).exists(f, f == 'aa')", "signers[0].organization != 'Other'",
	"attestations.exists(a, a.source == 'x' && 'rpm' in a.anchors)", "attestations.all(a, a.source == 'x')", "!(signers.size() > 0 ? signers[0].method == 'apt' : false)",
	"findings.exists(f, f.status == 'valid' && ('deb' in f.anchors || f.signer.organization == 'Google LLC'))",
	"findings.exists(f, f.status == 'untrusted' || f.status == 'expired')", "has_finding('x/y') && findings.exists(f, f.status == 'valid')",
}

// drawRequirement draws a requirement of up to some levels.
func drawRequirement(t *rapid.T, depth int) string {
	anchors := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"microsoft", "google", "anybody", "deb", "rpm", "file"}), 1, 4, rapid.ID).Draw(t, "anchors")
	kinds := []string{"list", "threshold", "if"}
	if depth > 0 {
		kinds = append(kinds, "any", "all", "not")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "threshold":
		return fmt.Sprintf("{signed_by: {anchors: [%s], threshold: %d}}", strings.Join(anchors, ", "), rapid.IntRange(1, len(anchors)).Draw(t, "threshold"))
	case "if":
		return `{if: "` + rapid.SampledFrom(evidenceExpressions).Draw(t, "expression") + `"}`
	case "any", "all":
		parts := make([]string, rapid.IntRange(1, 3).Draw(t, "parts"))
		for i := range parts {
			parts[i] = drawRequirement(t, depth-1)
		}
		return "{" + kind + ": [" + strings.Join(parts, ", ") + "]}"
	case "not":
		return "{not: " + drawRequirement(t, depth-1) + "}"
	}
	return "{signed_by: [" + strings.Join(anchors, ", ") + "]}"
}

func drawFinding(t *rapid.T) verify.Finding {
	f := verify.Finding{
		Subject: rapid.SampledFrom([]string{"", "", "inner.dll"}).Draw(t, "subject"),
		Method:  rapid.SampledFrom([]string{"authenticode", "apt", "openpgp", "digest"}).Draw(t, "method"),
		Status:  verify.Status(rapid.IntRange(0, 5).Draw(t, "status")),
		Code:    "x/y",
		Anchors: rapid.SliceOfN(rapid.SampledFrom([]string{"deb", "rpm", "file"}), 0, 2).Draw(t, "under"),
	}
	f.Signer.Organization = rapid.SampledFrom([]string{"", "Microsoft Corporation", "Google LLC", "Other"}).Draw(t, "organization")
	f.Signer.Fingerprint = rapid.SampledFrom([]string{"", "aa", "AA", "bb", "cc"}).Draw(t, "fingerprint")
	if rapid.Bool().Draw(t, "ends") {
		f.NotAfter = now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "end")) * time.Hour)
	}
	return f
}

func TestInvalidNeverTurnsARefusalIntoAnAllow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := withRequirement(t, drawRequirement(rt, 2))
		f := facts(t, "https://v.example/x", rapid.SliceOfN(rapid.Custom(drawFinding), 0, 5).Draw(rt, "findings")...)
		f.Update.SHA256 = sum(byte(rapid.IntRange(1, 2).Draw(rt, "sum")))
		before := p.Decide(f)
		bad := invalid("authenticode/padding-data")
		bad.Method = rapid.SampledFrom([]string{"authenticode", "apt", "unheard-of"}).Draw(rt, "bad")
		at := rapid.IntRange(0, len(f.Report.Findings)).Draw(rt, "at")
		f.Report.Findings = append(append(append([]verify.Finding(nil), f.Report.Findings[:at]...), bad), f.Report.Findings[at:]...)
		after := p.Decide(f)
		if after.Action == Allow {
			rt.Fatalf("allowed in spite of an Invalid finding (%s before): %q", before.Action, after.Reasons)
		}
	})
}

func TestNotKnowingNeverAllows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := withRequirement(t, drawRequirement(rt, 3))
		f := facts(t, "https://v.example/x")
		f.Update.SHA256 = sum(2) // which no anchor lists
		for range rapid.IntRange(0, 3).Draw(rt, "n") {
			f.Report.Findings = append(f.Report.Findings, verify.Finding{Method: "apt", Code: "apt/failed"})
		}
		if d := p.Decide(f); d.Action == Allow {
			rt.Fatalf("allowed: %q", d.Reasons)
		}
	})
}

func TestThresholdNeverCountsMoreThanSignersOrAnchors(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		findings := rapid.SliceOfN(rapid.Custom(drawFinding), 0, 6).Draw(rt, "findings")
		p := withRequirement(t, "{signed_by: {anchors: [microsoft, google, anybody, deb, rpm], threshold: 1}}")
		s := p.channels[0].requires[0].(*signedBy)
		e := &evidence{sum: sum(2), findings: findings, now: now}
		v := e.sort()
		n, _ := s.count(e, v)
		different := map[int]bool{}
		for _, id := range identities(v.valid) {
			different[id] = true
		}
		if n > len(different) || n > len(s.anchors) {
			rt.Fatalf("%d counted of %d signers", n, len(different))
		}
		for i, a := range v.valid {
			for j, b := range v.valid {
				ids := identities(v.valid)
				same := a.Signer.Fingerprint != "" && strings.EqualFold(a.Signer.Fingerprint, b.Signer.Fingerprint) ||
					a.Signer.Organization != "" && a.Signer.Organization == b.Signer.Organization
				if same && ids[i] != ids[j] {
					rt.Fatalf("%+v and %+v count as two", a.Signer, b.Signer)
				}
			}
		}
	})
}

// What an origin might read a path as is judged as the path itself is, or not at all.
func checkReadings(t testing.TB, p *Policy, u *url.URL) {
	first := p.Plan(Request{Client: client("192.0.2.1"), URL: u})
	if first.Refusal != nil {
		return
	}
	paths, err := readings(u.EscapedPath())
	if err != nil {
		if first.Inspect {
			t.Fatalf("%q is planned although it cannot be read: %v", u, err)
		}
		return
	}
	for _, path := range paths[1:] {
		again := *u
		again.Path, again.RawPath = path, ""
		second := p.Plan(Request{Client: client("192.0.2.1"), URL: &again})
		if second.Refusal == nil && second.Scope != first.Scope {
			t.Fatalf("%q is of %q, its reading %q of %q", u, first.Scope, path, second.Scope)
		}
	}
}

func TestReadingsOfOnePathAreJudgedAlike(t *testing.T) {
	p := mustParse(t, planPolicy)
	pieces := []string{"/", "//", "/./", "/../", "dl", "App", "both", "lab", ".msi", ".exe", "%2f", "%5c", `\`, ";a", "%3b", "%25", "%2e", "%41", "%00", "?", "%3f", "%20", ".", "é", "%c0%ae", "g++", "%2b"}
	rapid.Check(t, func(rt *rapid.T) {
		path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(rt, "path"), "")
		u, err := url.Parse("https://v.example" + path)
		if err != nil {
			return
		}
		checkReadings(t, p, u)
	})
}
