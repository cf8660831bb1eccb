package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func TestPublishers(t *testing.T) {
	workflow := func(name string) verify.Finding {
		return verify.Finding{Method: "sigstore", Status: verify.Valid, Anchors: []string{"ci"}, Signer: verify.Identity{Name: name, Issuer: "https://issuer.example", Fingerprint: "ab"}}
	}
	country := signedAs("Vendor Ltd")
	country.Signer.Country = "DE"
	renewed := signedAs("Vendor Ltd")
	renewed.Signer.Fingerprint, renewed.Signer.Issuer = "cd", "Another CA"
	private := signedAs("Vendor Ltd")
	private.Signer.PrivateRoot, private.Signer.RootFingerprint = true, "AB"
	person := verify.Finding{Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{Name: "Alice", CommonName: "Alice", Fingerprint: "AA"}}
	untrusted := signedAs("Vendor Ltd")
	untrusted.Status = verify.Untrusted
	inner := signedAs("Vendor Ltd")
	inner.Subject = "a.dll"
	cms := under("cms", "aa", "firmware")
	cms.Signer.Organization = "Acme"
	cmsOfTwo := cms
	cmsOfTwo.Anchors = []string{"firmware", "all"}
	long := signedAs(strings.Repeat("x", 500))
	longer := signedAs(strings.Repeat("x", 501))
	hidden := signedAs("Vendor\u202e Ltd")
	for _, c := range []struct {
		name     string
		findings []verify.Finding
		want     []string
	}{
		{"nobody", nil, nil},
		{"an organization", []verify.Finding{signedAs("Vendor Ltd")}, []string{"Vendor Ltd"}},
		{"by another authority", []verify.Finding{renewed}, []string{"Vendor Ltd"}},
		{"by another system", []verify.Finding{signedAsBy("nuget", "Vendor Ltd"), signedAs("Vendor Ltd")}, []string{"Vendor Ltd"}},
		{"with a country", []verify.Finding{country}, []string{"Vendor Ltd, DE"}},
		{"under somebody's own root", []verify.Finding{private}, []string{"Vendor Ltd under the root ab"}},
		{"under an anchor's root", []verify.Finding{cms}, []string{"Acme under firmware"}},
		{"under the roots of two anchors", []verify.Finding{cmsOfTwo}, []string{"Acme under all", "Acme under firmware"}},
		{"a person", []verify.Finding{person}, []string{"CN Alice"}},
		{"a key", []verify.Finding{under("minisign", "AA", "key-a")}, []string{"anchor key-a"}},
		{"a key of two anchors", []verify.Finding{under("openpgp", "AA", "b", "a")}, []string{"anchor a", "anchor b"}},
		{"a key that no anchor has", []verify.Finding{under("openpgp", "AA")}, []string{"key aa"}},
		{"a workflow at a tag", []verify.Finding{workflow("https://forge.example/acme/app/.github/workflows/r.yml@refs/tags/v1.0")}, []string{"https://forge.example/acme/app/.github/workflows/r.yml by https://issuer.example"}},
		{"the same at another tag", []verify.Finding{workflow("https://forge.example/Acme/app/.github/workflows/r.yml@refs/tags/v2.0")}, []string{"https://forge.example/acme/app/.github/workflows/r.yml by https://issuer.example"}},
		{"an address", []verify.Finding{workflow("alice@acme.example")}, []string{"alice@acme.example by https://issuer.example"}},
		{"a list of digests", []verify.Finding{under("digest", "", "pins")}, nil},
		{"nobody whom anybody vouches for", []verify.Finding{untrusted}, nil},
		{"a signature inside", []verify.Finding{inner}, nil},
		{"what is wrong defeats all", []verify.Finding{signedAs("Vendor Ltd"), invalid("x/y")}, nil},
		{"a remark", []verify.Finding{{Method: "authenticode", Status: verify.Valid, Code: "authenticode/known-tag"}}, nil},
	} {
		if got := Publishers(verify.Report{Findings: c.findings}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	a, b := Publishers(verify.Report{Findings: []verify.Finding{long}}), Publishers(verify.Report{Findings: []verify.Finding{longer}})
	if len(a) != 1 || len(b) != 1 || a[0] == b[0] || len(a[0]) > 300 {
		t.Errorf("long names: %q and %q", a, b)
	}
	if got := Publishers(verify.Report{Findings: []verify.Finding{hidden}}); len(got) != 1 || strings.ContainsRune(got[0], '\u202e') || got[0] == "Vendor Ltd" {
		t.Errorf("a name that turns the direction of writing: %q", got)
	}
	var many []verify.Finding
	for i := range 1000 {
		many = append(many, signedAs(fmt.Sprintf("Vendor %d", i)))
	}
	if got := Publishers(verify.Report{Findings: many}); len(got) > maxEvidenced {
		t.Errorf("%d publishers", len(got))
	}
}

func TestProofs(t *testing.T) {
	attested := under("sigstore", "aa", "ci")
	attested.Attestation = &verify.Attestation{Predicate: "slsa"}
	odd := under("sigstore", "aa", "ci")
	odd.Attestation = &verify.Attestation{Predicate: "evil"}
	for _, c := range []struct {
		name     string
		findings []verify.Finding
		want     []string
	}{
		{"nothing", nil, nil},
		{"a signature", []verify.Finding{signedAs("Vendor Ltd")}, []string{"signed", "signed:authenticode"}},
		{"a timestamp", []verify.Finding{stamped("Vendor Ltd", ago(day))}, []string{"signed", "signed:authenticode", "timestamped"}},
		{"a statement", []verify.Finding{attested}, []string{"attested", "attested:slsa", "signed", "signed:sigstore"}},
		{"a statement of a kind that is not known", []verify.Finding{odd}, []string{"attested", "signed", "signed:sigstore"}},
		{"a list of digests", []verify.Finding{under("digest", "", "pins")}, nil},
		{"what is wrong defeats all", []verify.Finding{attested, invalid("x/y")}, nil},
	} {
		if got := Proofs(verify.Report{Findings: c.findings}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEditions(t *testing.T) {
	p := mustParse(t, `
version: 1
defaults: {hosts: inspect}
channels:
- {name: plain, hosts: [plain.example], require: []}
- {name: named, hosts: [named.example], version: "App-{version}-*.exe", require: []}
- {name: one, hosts: [one.example], product: The App, require: []}
- {name: both, hosts: [both.example], product: The App, version: "a{version}.exe", require: []}
`)
	for _, c := range []struct {
		url, name, product, version, system string
		want                                Edition
	}{
		{"https://plain.example/d/app-1.2.exe", "app-1.2.exe", "", "", "", Edition{Product: "app-{version}.exe", Version: "1.2", System: "name"}},
		{"https://plain.example/d/app-1.2.exe", "other-3.0.exe", "", "", "", Edition{Product: "app-{version}.exe", Version: "1.2", System: "name"}},
		{"https://plain.example/d?id=1", "app-1.2.exe", "", "", "", Edition{Product: "app-{version}.exe", Version: "1.2", System: "name"}},
		{"https://plain.example/app-1.2.msi", "app-1.2.msi", "App (x64)", "1.2.0", "msi", Edition{Product: "App (x64) [msi]", Version: "1.2.0", System: "msi"}},
		{"https://plain.example/app-1.2.msi", "app-1.2.msi", "App (x64)", "", "", Edition{Product: "App (x64)", Version: "1.2", System: "name"}},
		{"https://plain.example/app-1.2.msi", "app-1.2.msi", "App", "1.0", "", Edition{Product: "App", Version: "1.0", System: "name"}},
		{"https://plain.example/APP-1.2.ZIP", "", "", "", "", Edition{Product: "app-{version}.zip", Version: "1.2", System: "name"}},
		{"https://plain.example/app-1.2-win10.0.exe", "", "", "", "", Edition{Product: "app-{number}-win{number}.exe"}},
		{"https://plain.example/app-v120_x64.exe", "", "", "", "", Edition{Product: "app-v{number}_x64.exe"}},
		{"https://plain.example/App-120.1_win32.exe", "", "", "", "", Edition{Product: "app-{version}_win32.exe", Version: "120.1", System: "name"}},
		{"https://plain.example/latest.exe", "latest.exe", "", "", "", Edition{Product: "latest.exe"}},
		{"https://plain.example/latest.exe", "latest.exe", "", "1.\u202e2", "pe", Edition{Product: "latest.exe"}},
		{"https://plain.example/latest.exe", "latest.exe", "", strings.Repeat("1", 300), "pe", Edition{Product: "latest.exe"}},
		{"https://named.example/app-2.0-x64.exe", "x", "Evil", "9.9", "pe", Edition{Product: "app-{version}-x64.exe", Version: "2.0", System: "name"}},
		{"https://named.example/d", "app-2.0-x86.exe", "Evil", "9.9", "pe", Edition{Product: "app-{version}-x86.exe", Version: "2.0", System: "name"}},
		{"https://named.example/evil.exe", "evil.exe", "Evil", "9.9", "pe", Edition{}},
		{"https://one.example/evil.exe", "evil.exe", "Evil", "9.9", "pe", Edition{Product: "The App", Version: "9.9", System: "pe"}},
		{"https://both.example/a1.5.exe", "a1.5.exe", "Evil", "9.9", "pe", Edition{Product: "The App", Version: "1.5", System: "name"}},
	} {
		f := facts(t, c.url, signedAs("Vendor Ltd"))
		f.Update.Name, f.Report.Product, f.Report.Version, f.Report.System = c.name, c.product, c.version, c.system
		got := p.Editions(f.Request, f.Update, f.Report)
		if len(got) != 1 {
			t.Fatalf("%s: %+v", c.url, got)
		}
		c.want.Channel, c.want.Publishers, c.want.Proofs = got[0].Channel, []string{"Vendor Ltd"}, []string{"signed", "signed:authenticode"}
		if fmt.Sprint(got[0]) != fmt.Sprint(c.want) {
			t.Errorf("%s %q %q:\n%+v, want\n%+v", c.url, c.product, c.version, got[0], c.want)
		}
	}
	f := facts(t, "https://plain.example/Packages.gz")
	f.Update.Role = verify.Metadata
	if got := p.Editions(f.Request, f.Update, f.Report); got != nil {
		t.Errorf("metadata is %+v", got)
	}
	f = facts(t, "https://elsewhere.example/a.exe")
	if got := p.Editions(f.Request, f.Update, f.Report); got != nil {
		t.Errorf("outside every channel: %+v", got)
	}
	f = facts(t, "https://plain.example/a.exe")
	f.Request.Carried = []Carried{{Scope: "one"}}
	if got := p.Editions(f.Request, f.Update, f.Report); len(got) != 2 || got[0].Channel != "one" || got[1].Channel != "plain" {
		t.Errorf("two channels: %+v", got)
	}
}

func TestReasonsShortenTheRootOfAPublisher(t *testing.T) {
	root := strings.Repeat("0123456789abcdef", 4)
	for name, want := range map[string]string{
		"Vendor Ltd, DE under the root " + root:           `"Vendor Ltd, DE under the root 0123456789abcdef…"`,
		"Vendor Ltd under the root " + root + " and more": `"Vendor Ltd under the root ` + root + ` and more"`,
		"Vendor Ltd": `"Vendor Ltd"`,
	} {
		if got := publisherNames([]string{name}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
