package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

func ifRequirement(expression string) string { return fmt.Sprintf("{if: %q}", expression) }

// withIf returns a policy whose channel c asks for nothing but an expression.
func withIf(t testing.TB, expression string) *Policy {
	t.Helper()
	return mustParse(t, strings.Replace(fmt.Sprintf(decidePolicy, ifRequirement(expression), thumb, sum(1)),
		"anchors:", "clients: {lab: [10.0.0.0/8, \"user:alice\"], office: [192.0.2.0/24]}\nanchors:", 1))
}

// judged evaluates an expression by itself.
func judged(t testing.TB, expression string, f Facts) (outcome, string) {
	t.Helper()
	p := withIf(t, expression)
	pl := p.plan(f.Request)
	if pl.Refusal != nil {
		t.Fatalf("%+v", pl.Refusal)
	}
	e := &evidence{sum: f.Update.SHA256, findings: f.Report.Findings, contents: f.Report.Contents, role: f.Update.Role, format: f.Update.Format, now: f.Now,
		facts: &f, policy: p, channel: "c", host: pl.host, readings: pl.readings}
	return p.channels[0].requires[0].judge(e)
}

func richFacts(t testing.TB) Facts {
	vendor := signedAs("Microsoft Corporation")
	vendor.Code, vendor.SignedAt = "authenticode/signed", now.Add(-48*time.Hour)
	vendor.Signer.CommonName, vendor.Signer.Country, vendor.Signer.Issuer = "Microsoft", "US", "Code PCA"
	stale := signedAs("Google LLC")
	stale.NotAfter, stale.Code = now.Add(-time.Hour), "authenticode/old"
	bundle := under("sigstore", "AB", "ci")
	bundle.Code = "sigstore/attested"
	bundle.Signer.Name = "https://ci.example/acme"
	bundle.Attestation = &verify.Attestation{Predicate: "slsa", Source: "https://github.com/acme/app", Ref: "refs/tags/v1"}
	bundle.Workload = &verify.Workload{Runner: "github-hosted"}
	key := under("openpgp", "CD", "deb")
	absent := verify.Finding{Method: "tuf", Status: verify.Absent, Code: "tuf/not-listed"}
	remark := verify.Finding{Method: "authenticode", Status: verify.Valid, Code: "authenticode/tag"}
	inner := signedAs("Microsoft Corporation")
	inner.Subject, inner.Code = "a.cab/b.dll", "authenticode/signed"
	odd := verify.Finding{Subject: "a.cab/c.exe", Method: "anomaly", Status: verify.Untrusted, Code: "anomaly/odd"}
	f := facts(t, "https://V.example/dl/App-1.msi?secret=1", vendor, stale, bundle, key, absent, remark, inner, odd)
	f.Update = Update{Name: "App-1.msi", Format: "msi", Size: 3 << 30, SHA256: sum(1)}
	f.Report.Product, f.Report.Version = "App", "1.0"
	f.Report.Contents = &verify.Contents{Files: 3, Bytes: 5 << 20, Executables: 2, Containers: 2, Depth: 2, Inner: []verify.Inner{
		{Path: "a.cab", Format: "cab", Size: 9}, {Path: "a.cab/b.dll", Format: "pe", Size: 5, SHA256: sum(3)}, {Path: "a.cab/c.exe", Format: "pe", Size: 7},
	}}
	return f
}

func TestExpressionsOverWhatIsKnown(t *testing.T) {
	for expression, want := range map[string]outcome{
		"update.size < 2 * GiB && update.format in ['msi', 'dmg']":                                    fails,
		"update.size < 4 * GiB && update.format in ['msi', 'dmg']":                                    holds,
		"update.name == 'App-1.msi' && update.product == 'App' && update.version == '1.0'":            holds,
		"update.role == 'payload' && update.sha256.startsWith('01') && size(update.sha256) == 64":     holds,
		"request.scheme == 'https' && request.host == 'v.example' && request.path == '/dl/App-1.msi'": holds,
		"request.method == 'GET' && request.client.address == '192.0.2.7'":                            holds,
		"request.client.user == '' && 'office' in request.client.groups":                              holds,
		"'lab' in request.client.groups":                                                              fails,
		"channel == 'c' && now == timestamp('2026-06-15T12:00:00Z')":                                  holds,
		"size(signers) == 3": holds,
		"signers.exists(s, s.organization == 'Microsoft Corporation' && s.country == 'US')":                    holds,
		"signers.exists(s, s.organization == 'Google LLC')":                                                    fails,
		"signers.exists(s, s.common_name == 'Microsoft' && s.issuer == 'Code PCA' && s.method != 'x')":         holds,
		"signers.exists(s, s.fingerprint == 'cd' && s.method == 'openpgp' && 'deb' in s.anchors)":              holds,
		"signers.exists(s, 'microsoft' in s.anchors && 'anybody' in s.anchors && s.name != '')":                holds,
		"signers.exists(s, has(s.signed_at) && now - s.signed_at == days(2))":                                  holds,
		"signers.exists(s, !has(s.signed_at))":                                                                 holds,
		"signers.all(s, s.signed_at < now)":                                                                    undecided,
		"attestations.exists(a, a.source == 'https://github.com/acme/app' && a.workload.runner != '')":         holds,
		"attestations.size() == 1 && attestations[0].signer.name == 'https://ci.example/acme'":                 holds,
		"attestations[0].predicate == 'slsa' && attestations[0].ref == 'refs/tags/v1'":                         holds,
		"attestations[1].predicate == 'slsa'":                                                                  undecided,
		"findings.exists(f, f.status == 'expired' && f.code == 'authenticode/old' && f.anchors.size() == 0)":   holds,
		"findings.exists(f, f.status == 'remark' && f.code == 'authenticode/tag')":                             holds,
		"findings.filter(f, f.status == 'valid').size() == 3 && findings.size() == 6":                          holds,
		"findings.exists(f, f.subject != '')":                                                                  fails,
		"findings.exists(f, has(f.attestation) && f.attestation.builder == '')":                                holds,
		"findings.filter(f, !has(f.attestation) && f.attestation.source == '' && !has(f.workload)).size() > 1": holds,
		"has_finding('tuf/not-listed')":                                                                        holds,
		"has_finding('anomaly/odd')":                                                                           fails,
		"has_finding('authenticode/old')":                                                                      undecided,
		"has_finding_inside('anomaly/odd')":                                                                    holds,
		"has_finding_inside('anomaly/other')":                                                                  fails,
		"signed_by('microsoft') && signed_by('deb') && !signed_by('rpm')":                                      holds,
		"contents.opened && contents.files == 3 && contents.executables == 2 && contents.unsigned == 1":        holds,
		"contents.bytes == 5 * MiB && contents.containers == 2 && contents.depth == 2 && contents.unread == 0": holds,
		"contents.inner.exists(i, i.path.endsWith('.dll') && i.executable && i.size == 5 && has(i.sha256))":    holds,
		"contents.inner.filter(i, i.format == 'pe').size() == 2":                                               holds,
		"contents.findings.exists(f, f.subject == 'a.cab/b.dll' && f.signer.organization.contains('Micro'))":   holds,
		"update.name.matches('^App-[0-9]+[.]msi$') && !update.name.matches('beta')":                            holds,
		"update.size / (update.size - update.size) == 1":                                                       undecided,
		"9223372036854775807 + update.size > 0":                                                                undecided,
		"update.size / 0 == 1 || update.format == 'msi'":                                                       holds,
		"now.getDayOfWeek() in [1, 2, 3, 4, 5] && now.getHours() == 12":                                        holds,
		"days(200000) > duration('1s')":                                                                        undecided,
		"[1, 2, 3].map(x, x * KiB)[2] == 3072":                                                                 holds,
	} {
		if got, why := judged(t, expression, richFacts(t)); got != want || !strings.HasPrefix(why, "if ") {
			t.Errorf("%s: %d, want %d: %s", expression, got, want, why)
		}
	}
}

// What is not known is neither true nor false, and neither is its opposite.
func TestExpressionsOverWhatIsNotKnown(t *testing.T) {
	cases := []struct {
		what        string
		change      func(*Facts)
		expressions []string
		why         string
	}{
		{"not opened", func(f *Facts) { f.Report.Contents = nil },
			[]string{"contents.files < 10", "contents.unsigned == 0", "contents.unread == 0", "has_finding_inside('x/y')", "contents.inner.exists(i, i.size == 5)", "contents.findings.size() == 0"},
			"the update was not looked into"},
		{"something was not looked into", func(f *Facts) { f.Report.Contents.Unread = 1 },
			[]string{"contents.files < 10", "contents.inner.size() == 3", "has_finding_inside('x/y')"}, "1 entry or container was inside not looked into"},
		{"something inside is wrong", func(f *Facts) {
			bad := invalid("authenticode/padding-data")
			bad.Subject = "a.cab/b.dll"
			f.Report.Findings = append(f.Report.Findings, bad)
		}, []string{"contents.files < 10", "contents.unsigned < 5"}, "something inside is wrong: a.cab/b.dll: authenticode/padding-data"},
		{"the search ended", func(f *Facts) {
			f.Report.Findings = append(f.Report.Findings, verify.Finding{Method: "unpack", Code: "unpack/limit"})
		}, []string{"contents.files < 10"}, "it could not be told what is inside: the file itself: unpack/limit"},
		{"something is wrong", func(f *Facts) { f.Report.Findings = append(f.Report.Findings, invalid("authenticode/padding-data")) },
			[]string{"size(signers) > 0", "findings.exists(f, f.status == 'invalid')", "has_finding('authenticode/padding-data')", "has_finding('x/y')", "attestations.size() == 0", "signed_by('microsoft')"},
			"what is wrong with the file defeats"},
		{"something could not be told", func(f *Facts) {
			f.Report.Findings = append(f.Report.Findings, verify.Finding{Method: "apt", Code: "apt/timeout"})
		}, []string{"size(signers) == 3", "signers.exists(s, s.organization == 'Nobody')", "signers.all(s, s.name != '-')", "signers[3].name == 'x'", "has_finding('x/y')", "findings.filter(f, true).size() == 7",
			"signers.exists_one(s, s.country == 'US')", "signers.map(s, s.name)[0] == 'x'", "[signers[0]] + signers == signers || true == false || size(signers + signers) > 0", "signed_by('rpm')"}, "apt/timeout"},
		{"nothing was found out", func(f *Facts) { f.Report.Findings = nil },
			[]string{"size(signers) == 0", "signers.exists(s, s.name == 'x')", "findings.exists(f, f.code == 'x')", "has_finding('x/y')"}, "nothing was found out about the file's signatures"},
		{"the roots of one anchor", func(f *Facts) { f.Report.Findings[0].Signer.PrivateRoot = true },
			[]string{"signers.exists(s, s.organization == 'Microsoft Corporation')", "findings.exists(f, f.signer.common_name == 'Microsoft')"}, "under the roots of one anchor is no proof"},
		{"somebody whom nobody vouches for", func(f *Facts) {
			f.Report.Findings[0].Status, f.Report.Findings[2].Status = verify.Untrusted, verify.Untrusted
		}, []string{"findings.exists(f, f.signer.organization == 'Microsoft Corporation')", "findings.exists(f, f.attestation.source == 'https://github.com/acme/app')",
			"findings.exists(f, f.workload.runner == 'github-hosted')", "findings.all(f, f.signer.country != 'US')"}, "a signature that is untrusted proves nothing of its signer"},
		{"a signature that has expired", func(f *Facts) { f.Report.Findings[0].NotAfter = now.Add(-time.Second) },
			[]string{"findings.exists(f, f.signer.organization == 'Microsoft Corporation')"}, "a signature that is expired proves nothing"},
		{"no version", func(f *Facts) { f.Report.Version = "" }, []string{"update.version == '1.0'"}, "does not say what version"},
		{"no product", func(f *Facts) { f.Report.Product = "" }, []string{"update.product != 'x'"}, "does not say what product"},
		{"no client", func(f *Facts) { f.Request.Client = Client{} }, []string{"'lab' in request.client.groups", "request.client.address == 'x'"}, "client"},
		{"a local file", func(f *Facts) { f.Request = Request{Carried: []Carried{{Scope: "c"}}} },
			[]string{"request.host == 'v.example'", "request.path == '/'", "request.scheme != 'http'", "request.method == 'GET'"}, "file"},
		{"no size", func(f *Facts) { f.Update.Size = unknownSize }, []string{"update.size < 5"}, "size is not known"},
		{"a text without end", func(f *Facts) { f.Update.Name = strings.Repeat("x", maxFactText+1) }, []string{"update.name != 'x'"}, "no more than 16384 are looked at"},
	}
	for _, c := range cases {
		for _, expression := range c.expressions {
			if strings.Contains(expression, "== signers") {
				continue // comparing things is an error at load
			}
			for _, e := range []string{expression, "!(" + expression + ")"} {
				f := richFacts(t)
				c.change(&f)
				if o, why := judged(t, e, f); o != undecided || !strings.Contains(why, c.why) || !strings.Contains(why, "cannot be told") {
					t.Errorf("%s: %s: %d: %s", c.what, e, o, why)
				}
			}
		}
	}
}

// What a loop asks without looking at its element is not true of a list of which nobody knows whether it has one.
func TestLoopsOverWhatMayNotBeThere(t *testing.T) {
	f := richFacts(t)
	f.Report.Findings = []verify.Finding{{Method: "apt", Code: "apt/timeout"}}
	for _, expression := range []string{
		"signers.exists(s, true)", "signers.exists(s, request.host == 'v.example')", "signers.exists(s, true || s.name == 'x')", "attestations.exists_one(a, true)",
		"signers.all(s, false)", "signers.map(s, 'x').size() == 1", "signers.map(s, true, 'x').size() == 1", "signers.filter(s, true).size() == 1", "[1].exists(x, signers.exists(s, x == 1))",
	} {
		for _, e := range []string{expression, "!(" + expression + ")"} {
			if o, why := judged(t, e, f); o != undecided || !strings.Contains(why, "apt/timeout") {
				t.Errorf("%s: %d: %s", e, o, why)
			}
		}
	}
	f.Report.Findings = append(f.Report.Findings, signedAs("Acme"))
	if o, why := judged(t, "signers.exists(s, true) && !signers.all(s, false)", f); o != holds {
		t.Errorf("%d: %s", o, why)
	}
}

// A statement proves nothing unless the signature under it does, also where no signer is named.
func TestStatementsOfNobody(t *testing.T) {
	for _, status := range []verify.Status{verify.Untrusted, verify.Valid} {
		f := richFacts(t)
		f.Report.Findings = []verify.Finding{{Method: "sigstore", Code: "sigstore/threshold", Status: status,
			Attestation: &verify.Attestation{Source: "https://github.com/acme/app"}, Workload: &verify.Workload{Runner: "github-hosted"}}}
		for _, expression := range []string{
			"findings.exists(f, f.attestation.source == 'https://github.com/acme/app')", "findings.exists(f, f.workload.runner == 'github-hosted')",
		} {
			if o, why := judged(t, expression, f); o != undecided || !strings.Contains(why, "proves nothing") {
				t.Errorf("%v: %s: %d: %s", status, expression, o, why)
			}
		}
	}
}

// A short pattern can be long when it is compiled, and takes as long as that.
func TestPatternsCostWhatTheyTake(t *testing.T) {
	f := richFacts(t)
	for range 500 {
		f.Report.Contents.Inner = append(f.Report.Contents.Inner, verify.Inner{Path: strings.Repeat("a", maxFactText)})
	}
	for expression, want := range map[string]string{
		"contents.inner.exists(i, i.path.matches('a.{900}z'))":            "too much to look at",
		"contents.inner.exists(i, i.path.matches('(ab|a|b|.){100}z'))":    "too much to look at",
		"contents.inner.exists(i, i.path.matches('z'))":                   "is false",
		"contents.inner.exists(i, i.path.matches('^[b-z]*[.](exe|dll)'))": "is false",
	} {
		if _, why := judged(t, expression, f); !strings.Contains(why, want) {
			t.Errorf("%s: %s", expression, why)
		}
	}
}

// A list of what is refused would refuse nothing if what it is compared with is never written that way.
func TestComparisonsThatNeverFit(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	for expression, want := range map[string]string{
		"!(update.sha256 in ['" + strings.ToUpper(digest) + "'])":                      `write "` + digest,
		"update.sha256 != 'sha256:" + digest + "'":                                     "it has 64 hexadecimal digits",
		"contents.inner.all(i, i.sha256 != '" + digest[1:] + "')":                      "it has 64 hexadecimal digits",
		"signers.exists(s, s.fingerprint != 'ABCD')":                                   "it is in lower case",
		"'Evil.example' != request.host && request.scheme != 'HTTP'":                   "it is in lower case",
		"request.host != 'b\u00fccher.example'":                                        "it is ASCII",
		"update.format != 'PE'":                                                        `write "pe"`,
		"contents.inner.all(i, i.sha256 == '' || i.sha256 != '" + digest + "')":        "",
		"update.sha256 != '" + digest + "' && request.host != 'xn--bcher-kva.example'": "",
	} {
		_, err := Parse("p", nil, []byte(fmt.Sprintf(decidePolicy, ifRequirement(expression), thumb, sum(1))))
		if want == "" {
			if strings.Contains(err.Error(), " is never ") { // it has no files for its keyrings
				t.Errorf("%s: %v", expression, err)
			}
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

// What is known is enough where what is not known would change nothing.
func TestExpressionsOverWhatIsKnownInPart(t *testing.T) {
	f := richFacts(t)
	f.Report.Findings = append(f.Report.Findings, verify.Finding{Method: "apt", Code: "apt/timeout"})
	f.Report.Contents = nil
	for expression, want := range map[string]outcome{
		"signers.exists(s, s.organization == 'Microsoft Corporation')":              holds,
		"signers.all(s, s.method == 'openpgp')":                                     fails,
		"signers[0].organization == 'Microsoft Corporation'":                        undecided, // whatever order they are in
		"findings.exists(f, f.status == 'inconclusive' && f.code == 'apt/timeout')": holds,
		"has_finding('tuf/not-listed')":                                             holds,
		"contents.opened":                                                           fails,
		"!contents.opened || contents.files < 5":                                    holds,
		"has(contents.files) && contents.files < 5":                                 fails,
		"has(update.version)":                                                       holds,
		"update.size < 5 && contents.files < 5":                                     fails,
		"contents.files < 5 && update.size < 5":                                     fails,
		"contents.files < 5 || update.size > 5":                                     holds,
	} {
		if got, why := judged(t, expression, f); got != want {
			t.Errorf("%s: %d, want %d: %s", expression, got, want, why)
		}
	}
}

func TestReasonsOfExpressionsSayWhatWasSeen(t *testing.T) {
	for expression, want := range map[string]string{
		"update.size < 2 * GiB && update.format in ['msi', 'dmg']": "if update.size < 2 * GiB && update.format in ['msi', 'dmg'] is false: update.size is 3221225472 (3.0 GiB)",
		"update.size > 5 && update.format == 'msi'":                `if update.size > 5 && update.format == 'msi' is true: update.size is 3221225472 (3.0 GiB), update.format is "msi"`,
		"signers.exists(s, s.name == 'x')":                         `if signers.exists(s, s.name == 'x') is false: signers is "Microsoft Corporation" (authenticode), "https://ci.example/acme" (sigstore), "CD" (openpgp)`,
		"attestations.exists(a, a.source == 'x')":                  `if attestations.exists(a, a.source == 'x') is false: attestations is "https://ci.example/acme" (sigstore) (slsa), source "https://github.com/acme/app", ref "refs/tags/v1"`,
		"signed_by('rpm')":                                         `if signed_by('rpm') is false: signed_by('rpm') is false (the file is signed by "Microsoft Corporation" (authenticode) and "https://ci.example/acme" (sigstore) and "CD" (openpgp), but not by rpm (OpenPGP keys))`,
		"contents.inner.exists(i, i.size == 1)":                    "if contents.inner.exists(i, i.size == 1) is false: contents.inner is 3 files",
		"has(contents.files) && contents.files > 5":                "if has(contents.files) && contents.files > 5 is false: contents.files is 3",
		"now < timestamp('2020-01-01T00:00:00Z')":                  "if now < timestamp('2020-01-01T00:00:00Z') is false: now is 2026-06-15 12:00:00 UTC",
		"update.size / 0 == 1":                                     "if update.size / 0 == 1 cannot be told: it divides by zero; update.size is 3221225472 (3.0 GiB)",
	} {
		if _, got := judged(t, expression, richFacts(t)); got != want {
			t.Errorf("%s\n got %s\nwant %s", expression, got, want)
		}
	}
	f := richFacts(t)
	f.Update.Name = "\x1b[31m\u202e" + strings.Repeat("long", 1000)
	if _, why := judged(t, "update.name == '"+strings.Repeat("x", 2000)+"'", f); len(why) > 1000 || strings.ContainsAny(why, "\x1b\u202e") {
		t.Errorf("%d bytes: %q", len(why), why)
	}
}

// Words of strangers in a reason are taken for no more than that.
func TestReasonsOfExpressionsAreNotMistaken(t *testing.T) {
	f := richFacts(t)
	f.Report.Findings = append(f.Report.Findings, verify.Finding{Method: "apt", Code: "apt/x", Detail: "integer overflow, index out of range"})
	for _, expression := range []string{"signers.all(s, s.name == s.name)", "has_finding('x/y')"} {
		if _, why := judged(t, expression, f); !strings.Contains(why, "cannot be told: it could not be told what else there is: apt/x (integer overflow") {
			t.Errorf("%s: %s", expression, why)
		}
	}
}

// A path that can be read in several ways is not slipped past an expression by writing it differently.
func TestExpressionsOverEveryReadingOfAPath(t *testing.T) {
	for u, want := range map[string]outcome{
		"https://v.example/stable/a": holds, "https://v.example/beta/a": fails, "https://v.example/%62eta/a": undecided,
		"https://v.example/x/..//beta/a": undecided, "https://v.example/stable//a": holds,
	} {
		if got, why := judged(t, "!request.path.startsWith('/beta/')", facts(t, u, signedAs("x"))); got != want {
			t.Errorf("%s: %d, want %d: %s", u, got, want, why)
		}
	}
}

func TestEvaluationIsBounded(t *testing.T) {
	f := richFacts(t)
	for len(f.Report.Contents.Inner) < 20_000 {
		f.Report.Contents.Inner = append(f.Report.Contents.Inner, verify.Inner{Path: strings.Repeat("p/", 2000), Format: "pe"})
	}
	for range 3000 {
		f.Report.Findings = append(f.Report.Findings, verify.Finding{Subject: "x", Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{Organization: "x"}})
	}
	for _, expression := range []string{
		"contents.inner.exists(i, i.path.matches('(a|p/)*z'))",
		"contents.inner.map(i, i.path + i.path).exists(p, p.endsWith('z'))",
	} {
		if o, why := judged(t, expression, f); o != undecided || !strings.Contains(why, "too much to look at") {
			t.Errorf("%s: %d: %s", expression, o, why)
		}
	}
}

// A list, and what a function answers, is made once, not each time that a loop comes to it.
func TestFactsAreLookedUpOnce(t *testing.T) {
	f := richFacts(t)
	for len(f.Report.Contents.Inner) < 20_000 {
		f.Report.Contents.Inner = append(f.Report.Contents.Inner, verify.Inner{Path: "p", Format: "pe"})
	}
	p := withIf(t, "contents.inner.all(i, contents.inner.size() > 0 && contents.findings.size() > 0 && contents.unsigned > 0 && signed_by('microsoft') && !has_finding_inside('x/y'))")
	pl := p.plan(f.Request)
	e := &evidence{findings: f.Report.Findings, contents: f.Report.Contents, now: now, facts: &f, policy: p, host: pl.host, readings: pl.readings}
	var o outcome
	allocations := testing.AllocsPerRun(1, func() { o, _ = p.channels[0].requires[0].judge(e) })
	if o != holds || allocations > 2_000_000 {
		t.Errorf("%d, %.0f allocations", o, allocations)
	}
}

func TestExpressionsPlanWhatTheyNeed(t *testing.T) {
	for expression, want := range map[string]string{
		"update.size < 5":                            "",
		"contents.files < 5":                         "contents anybody deb google microsoft pinned rpm file file2",
		"signed_by('microsoft')":                     "microsoft",
		"!(signed_by('deb') || signed_by('google'))": "sidecars deb google",
		"size(signers) > 0":                          "sidecars anybody deb google microsoft pinned rpm file file2",
		"signed_by('deb') && contents.opened":        "contents sidecars anybody deb google microsoft pinned rpm file file2",
		"signed_by('microsoft') && contents.opened":  "contents anybody deb google microsoft pinned rpm file file2",
		"has_finding('a/b')":                         "sidecars anybody deb google microsoft pinned rpm file file2",
		"attestations.exists(a, true)":               "sidecars anybody deb google microsoft pinned rpm file file2",
		"findings.map(f, f.code).size() > 0":         "sidecars anybody deb google microsoft pinned rpm file file2",
		"has_finding_inside('a/b')":                  "contents anybody deb google microsoft pinned rpm file file2",
		".contents.opened":                           "contents anybody deb google microsoft pinned rpm file file2",
	} {
		pl := withIf(t, expression).Plan(Request{Client: client("192.0.2.1"), URL: mustURL(t, "https://v.example/x")})
		want := strings.Fields(want)
		got := map[string]bool{}
		for _, a := range pl.Anchors {
			got[a] = true
		}
		for what, is := range map[string]bool{"contents": pl.Contents, "sidecars": pl.Sidecars} {
			if is {
				got[what] = true
			}
		}
		for _, w := range want {
			if !got[w] {
				t.Errorf("%s: no %s in %v", expression, w, got)
			}
			delete(got, w)
		}
		if len(got) > 0 {
			t.Errorf("%s: %v besides %v", expression, got, want)
		}
	}
}

func TestExpressionsApplyToMetadata(t *testing.T) {
	p := withIf(t, "update.role == 'metadata' && update.size < MiB")
	f := richFacts(t)
	f.Update.Role = verify.Metadata
	if d := p.Decide(f); d.Action != Quarantine {
		t.Errorf("%+v", d)
	}
	f.Update.Size = 5
	if d := p.Decide(f); d.Action != Allow {
		t.Errorf("%+v", d)
	}
}

func TestExplainShowsExpressions(t *testing.T) {
	p := withIf(t, "update.size < 2 * GiB &&\n   update.format in ['msi']")
	got := strings.Join(p.Explain(Request{Client: client("192.0.2.1"), URL: mustURL(t, "https://v.example/x")}), "\n")
	if want := "requires: if update.size < 2 * GiB && update.format in ['msi']"; !strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, got)
	}
}

func TestExpressionsAreEvaluatedBySeveralAtOnce(t *testing.T) {
	p := withIf(t, "signers.exists(s, s.organization == 'Microsoft Corporation' && 'microsoft' in s.anchors) && contents.inner.exists(i, i.path.matches('b[.]dll$')) && update.size > 5")
	f := richFacts(t)
	want := p.Decide(f)
	if want.Action != Allow {
		t.Fatalf("%+v", want)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				if got := p.Decide(f); got.Action != want.Action || !slices.Equal(got.Reasons, want.Reasons) {
					t.Errorf("%+v, and was %+v", got, want)
				}
			}
		})
	}
	all.Wait()
}
