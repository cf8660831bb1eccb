package learn_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/learn"
	"github.com/sallyport-project/sallyport/verify"
)

var day = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func vendor(org string) learn.Signer {
	return learn.Signer{Method: "authenticode", Organization: org, Name: org, Thumbprint: strings.Repeat("ab", 32)}
}

// draft writes a draft and demands that it is a policy without errors, whose tests hold, and in which every channel observes.
func draft(t testing.TB, s *learn.Survey, o learn.Options) (string, *policy.Policy) {
	t.Helper()
	o.Now = day.AddDate(0, 0, 22)
	var b strings.Builder
	if err := s.Write(&b, o); err != nil {
		t.Fatal(err)
	}
	c := policy.Check("draft.yaml", nil, []byte(b.String()))
	if len(c.Errors) > 0 {
		t.Fatalf("%v\n%s", c.Errors, b.String())
	}
	var doc struct {
		Channels []struct{ Mode string }
	}
	if err := yaml.Unmarshal([]byte(b.String()), &doc); err != nil {
		t.Fatal(err)
	}
	for _, ch := range doc.Channels {
		if ch.Mode != "observe" {
			t.Fatalf("a channel is in mode %q\n%s", ch.Mode, b.String())
		}
	}
	return b.String(), c.Policy
}

func TestADraftSaysWhatWasSeen(t *testing.T) {
	var s learn.Survey
	for i := range 12 {
		s.Add(learn.Sighting{
			Time: day.AddDate(0, 0, i), URL: at(t, fmt.Sprintf("https://dl.vendor.example/app/1.%d.0/App-1.%d.0.msi?key=secret", i, i)), Format: "msi", Product: "App", Version: fmt.Sprintf("1.%d.0", i),
			Through: true, Signers: []learn.Signer{vendor("Vendor Ltd")},
		})
	}
	s.Add(learn.Sighting{Time: day, URL: at(t, "https://dl.vendor.example/app/1.3.0/tool.exe"), Format: "pe"})
	s.Add(learn.Sighting{Time: day, URL: at(t, "https://dl.vendor.example/app/1.3.0/App-1.3.0.msi"), Format: "msi", Signers: []learn.Signer{vendor("Mallory Inc")}})
	s.Add(learn.Sighting{Time: day, URL: at(t, "https://ci.vendor.example/x.tgz"), Format: "tar", Signers: []learn.Signer{{
		Method: "sigstore", Identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3", Issuer: "https://token.actions.githubusercontent.com", Name: "acme",
	}}})
	s.Add(learn.Sighting{Time: day, URL: at(t, "http://mirror.archive.example/pool/x_1.0_amd64.deb"), Format: "deb", Channel: "archive", Signers: []learn.Signer{{Method: "apt", Name: "Archive", Anchors: []string{"archive"}}}})
	s.AddTunnel("Unseen.example", day, 5<<20)
	text, p := draft(t, &s, learn.Options{})
	for _, want := range []string{
		"# dl.vendor.example: 14 updates, 2026-11-01 to 2026-11-12; 1 signed by nobody; 12 let through",
		"#   formats: msi (13), pe (1)",
		"  # authenticode on dl.vendor.example: 12 updates of 14, 2026-11-01 to 2026-11-12, by 1 certificate, by Vendor Ltd\n  \"vendor-ltd\": {authenticode: {organization: \"Vendor Ltd\"}}",
		"  # also signed by Mallory Inc (authenticode), 1 update of 14, 2026-11-01 to 2026-11-01, by 1 certificate: seen too seldom to propose",
		`paths: ["/app/*/App-*.msi", "/app/*/tool.exe"]`,
		`identity: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*"`,
		"#   judged so far by: archive (1)", "valid under the anchor archive of the policy then in force", "#   1 came over plain http",
		`- if: "false"`, "#   unseen.example: 1 connection, 5.0 MiB received",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") {
		t.Error("the query of a URL is shown")
	}
	if strings.Contains(text, `organization: "Mallory`) {
		t.Error("somebody who was seen once among others is trusted")
	}
	if got := p.Plan(policy.Request{URL: at(t, "https://dl.vendor.example/app/2.0/App-2.0.msi")}).Scope; got != "dl.vendor.example" {
		t.Errorf("the next release falls to %q", got)
	}
	if len(p.RunTests()) < 3 {
		t.Error("the draft has no tests")
	}
}

// Whatever strangers call themselves, they stand in quotes, and nobody is trusted more widely than seen.
func TestHostileNamesStayInTheirQuotes(t *testing.T) {
	for _, name := range []string{
		"*", "?", "Vendor *", "x\"}}\nanchors: {evil: {authenticode: {organization: \"*\"}}}\n#", "a: b", "- x", "&a", "*a", "!!str x", "%TAG", "# none", "{{", "'", "\\", "\x00\x1b[2J",
		"\u2028anchors: {}", "\u0085mode: enforce", "\u202emoc", "\xff\xfe", strings.Repeat("long ", 2000), "日本 ソフト", "null", "true", "1", " ", "\t", "\r\nmode: enforce",
	} {
		var s learn.Survey
		by := vendor(name)
		s.Add(learn.Sighting{Time: day, URL: &url.URL{Scheme: "https", Host: "h.example", Path: "/" + name}, Format: name, Product: name, Version: name, Channel: name, Signers: []learn.Signer{by, {Method: name, Name: name, Anchors: []string{name}}}})
		s.Add(learn.Sighting{Time: day, URL: at(t, "https://g.example/x"), Signers: []learn.Signer{{Method: "sigstore", Identity: name, Issuer: "https://" + name, Name: name}}})
		s.Add(learn.Sighting{Time: day, URL: &url.URL{Scheme: "https", Host: name, Path: "/x"}})
		s.AddTunnel(name, day, 1)
		text, p := draft(t, &s, learn.Options{})
		for _, org := range []string{"Anybody Else", "Vendor Else", "z"} {
			d := p.Decide(policy.Facts{
				Request: policy.Request{URL: at(t, "https://h.example/x")}, Now: day,
				Update: policy.Update{SHA256: verify.Digest{1}}, Report: verify.Report{Findings: []verify.Finding{{Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{Name: org, Organization: org}}}},
			})
			if d.Action == policy.Allow && org != name {
				t.Errorf("%q: %s is trusted\n%s", name, org, text)
			}
		}
		if n := strings.Count(text, "\nanchors:"); n > 1 {
			t.Errorf("%q: %d sections of anchors\n%s", name, n, text)
		}
		if regexp.MustCompile(`[^\n -~]`).MatchString(strings.NewReplacer("日本 ソフト", "", "日本", "", "…", "", "\ufffd", "").Replace(text)) {
			t.Errorf("%q: what does more than be read is in\n%q", name, text)
		}
	}
}

// Who signed what is broken, or what was refused for what it is, is proposed to nobody.
func TestSignersOfWhatIsBadAreLeftOut(t *testing.T) {
	for what, bad := range map[string]learn.Sighting{
		"who signed these is left out":                   {Broken: true},
		"1 refused by a deny rule or a recall":           {Refused: true},
		"SOMETHING WAS WRONG with the signatures of 1: ": {Broken: true, Refused: true},
	} {
		var s learn.Survey
		bad.Time, bad.URL, bad.Signers = day, at(t, "https://dl.example/a.exe"), []learn.Signer{vendor("Stolen Ltd")}
		s.Add(bad)
		text, p := draft(t, &s, learn.Options{})
		if !strings.Contains(text, what) || strings.Contains(text, "Stolen Ltd") || len(p.Channels()) != 1 {
			t.Errorf("no %q, or its signer, in\n%s", what, text)
		}
	}
	var s learn.Survey
	s.Add(learn.Sighting{Time: day, URL: at(t, "https://dl.example/a.exe"), Odd: true, Signers: []learn.Signer{vendor("Vendor Ltd")}})
	if text, _ := draft(t, &s, learn.Options{}); !strings.Contains(text, "SOMETHING INSIDE WAS WRONG in 1") || !strings.Contains(text, "Vendor Ltd") {
		t.Error(text)
	}
}

// The tag of a workflow is any tag, and nothing before the last of it is.
func TestATagInTheNameOfAWorkflowIsNoTag(t *testing.T) {
	var s learn.Survey
	s.Add(learn.Sighting{Time: day, URL: at(t, "https://dl.example/a.tgz"), Signers: []learn.Signer{{
		Method: "sigstore", Identity: "https://github.com/acme/app/.github/workflows/x@refs/tags/y.yml@refs/heads/main", Issuer: "https://token.actions.githubusercontent.com", Name: "x",
	}}})
	if text, _ := draft(t, &s, learn.Options{}); strings.Contains(text, "*\"") {
		t.Error(text)
	}
}

func TestAStarInAnOrganizationMeansTheCertificate(t *testing.T) {
	var s learn.Survey
	s.Add(learn.Sighting{Time: day, URL: at(t, "https://h.example/x.exe"), Signers: []learn.Signer{vendor("Star * Ltd")}})
	text, _ := draft(t, &s, learn.Options{})
	if strings.Contains(text, "organization:") || !strings.Contains(text, `thumbprint: ["`+strings.Repeat("ab", 32)+`"]`) {
		t.Error(text)
	}
	private := vendor("Corp")
	private.Private = true
	var own learn.Survey
	own.Add(learn.Sighting{Time: day, URL: at(t, "https://h.example/x.exe"), Signers: []learn.Signer{private}})
	if text, _ = draft(t, &own, learn.Options{}); strings.Contains(text, "organization:") {
		t.Error("a private root counts for everybody: " + text)
	}
}

func TestOneHost(t *testing.T) {
	var s learn.Survey
	for _, host := range []string{"a.vendor.example", "b.vendor.example", "other.example"} {
		s.Add(learn.Sighting{Time: day, URL: at(t, "https://"+host+"/x-1.0.exe"), Format: "pe", Signers: []learn.Signer{vendor("V")}})
	}
	s.AddTunnel("dark.example", day, 100)
	_, p := draft(t, &s, learn.Options{Host: "*.vendor.example", Channel: "My Vendor"})
	if got := strings.Join(p.Channels(), " "); got != "my-vendor" {
		t.Errorf("channels %q", got)
	}
	_, p = draft(t, &s, learn.Options{Host: "other.example"})
	if got := strings.Join(p.Channels(), " "); got != "other.example" {
		t.Errorf("channels %q", got)
	}
	text, p := draft(t, &s, learn.Options{Host: "dark.example", Channel: "dark"})
	if got := strings.Join(p.Channels(), " "); got != "dark" || !strings.Contains(text, "nothing was looked at") {
		t.Errorf("channels %q\n%s", got, text)
	}
	if _, p = draft(t, &s, learn.Options{Host: "nobody.example"}); len(p.Channels()) != 0 {
		t.Error("a channel for a host that was never seen")
	}
	if _, p = draft(t, new(learn.Survey), learn.Options{}); len(p.Channels()) != 0 {
		t.Error("a channel out of nothing")
	}
}

// All paths that were seen are among those of the channel, however many and whatever is in them.
func TestPathsFitTheirGlobs(t *testing.T) {
	for name, paths := range map[string][]string{
		"versions":  {"/a/1.0/x-1.0.zip", "/a/2.0-rc1/x-2.0-rc1.zip", "/a/2024-01-02/x.zip"},
		"digests":   {"/f/0123456789abcdef0123/x.exe", "/f/fedcba98765432100000/x.exe"},
		"specials":  {"/a{b}/c[d]/e*f?.exe", `/a\b.exe`, "/a,b.exe", "/100%/x.exe", "//a//b.exe", "/", "/a/", "/ä b.exe", "/a~1+2.deb"},
		"no ending": {"/download", "/download/latest", "/get/v1"},
		"tarballs":  {"/a.tar.gz", "/b.tar.gz", "/c/d.tar.xz"},
	} {
		check(t, name, paths)
	}
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("/%c%c/%c/file%d.%s", 'a'+i%26, 'a'+i%7, 'a'+i%11, i, []string{"exe", "msi", "zip"}[i%3]))
	}
	check(t, "many", many)
	for i := range 500 {
		many = append(many, fmt.Sprintf("/%c.%c%c%c", 'a'+i%26, 'a'+i%26, 'a'+i%7, 'a'+i%5))
	}
	check(t, "many endings", many)
}

func check(t *testing.T, name string, paths []string) {
	t.Helper()
	var s learn.Survey
	for _, p := range paths {
		s.Add(learn.Sighting{Time: day, URL: &url.URL{Scheme: "https", Host: "h.example", Path: p}, Signers: []learn.Signer{vendor("V")}})
	}
	text, p := draft(t, &s, learn.Options{})
	for _, path := range paths {
		pl := p.Plan(policy.Request{URL: &url.URL{Scheme: "https", Host: "h.example", Path: path}})
		if pl.Scope != "h.example" && (pl.Refusal == nil || !pl.Refusal.Ambiguous) {
			t.Errorf("%s: %q is of no channel (%+v)\n%s", name, path, pl.Refusal, text)
		}
	}
}

func TestASurveyIsBounded(t *testing.T) {
	var s learn.Survey
	for i := range 20_000 {
		s.Add(learn.Sighting{Time: day, URL: at(t, fmt.Sprintf("https://h%d.example/x.exe", i%6000)), Signers: []learn.Signer{vendor("V")}})
		s.Add(learn.Sighting{Time: day, URL: at(t, fmt.Sprintf("https://one.example/%d/x%d.exe", i, i)), Signers: []learn.Signer{vendor(fmt.Sprint("V", i))}})
		s.AddTunnel(fmt.Sprintf("t%d.example", i), day, 1)
	}
	if n := len(s.Hosts()); n != 5000 {
		t.Errorf("%d hosts", n)
	}
	text, _ := draft(t, &s, learn.Options{Host: "one.example"})
	if !strings.Contains(text, "too many to tell apart") || len(text) > 100_000 {
		t.Errorf("%d bytes", len(text))
	}
	if s.Beyond == 0 {
		t.Error("what was left out is not counted")
	}
}

func FuzzDraft(f *testing.F) {
	f.Add("Vendor Ltd", "/app/1.0/x.msi", "h.example", "pe")
	f.Add("*\n", "/a{b}\\", "::1", "\u2028")
	f.Add("\"", "/%41/..;/x", "xn--", "- ")
	f.Fuzz(func(t *testing.T, org, path, host, word string) {
		var s learn.Survey
		for _, m := range []string{"authenticode", "sigstore", "apt", word} {
			s.Add(learn.Sighting{
				Time: day, URL: &url.URL{Scheme: "https", Host: host, Path: path}, Format: word, Product: org, Channel: word,
				Signers: []learn.Signer{{Method: m, Organization: org, Identity: org, Issuer: "https://" + word, Name: org, Anchors: []string{word}, Thumbprint: word}},
			})
		}
		s.AddTunnel(host, day, 1)
		draft(t, &s, learn.Options{Channel: word})
	})
}
