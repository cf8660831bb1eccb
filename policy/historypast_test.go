package policy

import (
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

func TestNoDowngrade(t *testing.T) {
	named := func(url string) func(*Facts) {
		return func(f *Facts) {
			f.Request.URL.Path, f.Update.Name = "/"+url, url
		}
	}
	says := func(version, system string) func(*Facts) {
		return func(f *Facts) {
			f.Report.Product, f.Report.Version, f.Report.System = "App", version, system
		}
	}
	none := time.Time{}
	runHistory(t, []historyCase{
		{"newer", "{no_downgrade: true}", "", nil, []past{{version: "1.9"}}, Allow, `version 2.0 of "app-{version}.msi" on channel c is no older than 1.9 (app-1.9.msi, let through on 2026-06-14 12:00 UTC, record rec0)`, none},
		{"the same", "{no_downgrade: true}", "", nil, []past{{version: "2.0.0"}}, Allow, "", none},
		{"older", "{no_downgrade: true}", "", nil, []past{{version: "2.0.1"}}, Quarantine, "is older than 2.0.1", none},
		{"older than the highest, which was not the last", "{no_downgrade: true}", "", nil, []past{{version: "1.5"}, {version: "2.1"}}, Quarantine, "is older than 2.1", none},
		{"numbers are no texts", "{no_downgrade: true}", "", named("app-10.0.msi"), []past{{version: "9.9"}}, Allow, "", none},
		{"the first", "{no_downgrade: true}", "", nil, nil, Allow, `this is the first release of "app-{version}.msi" on channel c that this gate lets through: there is nothing to compare with`, none},
		{"without history", "{no_downgrade: true}", "", func(f *Facts) { f.History.Known = false }, nil, Quarantine, "the history of this gate is not known", none},
		{"by hand does not count", "{no_downgrade: true}", "", nil, []past{{version: "9.0", byHand: true}}, Allow, "nothing to compare with", none},
		{"by hand does not count beside another", "{no_downgrade: true}", "", nil, []past{{version: "9.0", byHand: true}, {version: "1.0"}}, Allow, "no older than 1.0", none},
		{"no version", "{no_downgrade: true}", "", named("latest.msi"), []past{{version: "1.0"}}, Quarantine, "it cannot be told which version", none},
		{"no version before", "{no_downgrade: true}", "", nil, []past{{}}, Quarantine, "no version is known", none},
		{"a version that does not compare", "{no_downgrade: true}", "", says("evil", "pe"), []past{{version: "1.0"}}, Quarantine, "cannot be compared with 1.0", none},
		{"a version of other rules", "{no_downgrade: true}", "", says("3.0", "deb"), []past{{version: "1.0"}}, Quarantine, "cannot be compared", none},
		{"a version of no rules", "{no_downgrade: true}", "", says("3.0", "wat"), []past{{version: "1.0", system: "wat"}}, Quarantine, "no version is known", none},
		{"compares with what is long past alone", "{no_downgrade: true}", "", nil, []past{{version: "5:5", system: "deb"}, {version: "1.0"}}, Quarantine, "cannot be compared with 5:5", none},
		{"what is long past need not compare", "{no_downgrade: true}", "", nil, []past{{version: "1.0"}, {version: "5:5", system: "deb"}}, Allow, "", none},
		{"resources and packages compare", "{no_downgrade: true}", "", says("2.0.0.1", "msi"), []past{{version: "2.0.0.2", system: "pe"}}, Quarantine, "is older", none},
		{"the file's word counts before its name", "{no_downgrade: true}", "", says("1.0", "pe"), []past{{version: "1.5", system: "pe"}}, Quarantine, "version 1.0 of \"App [pe]\" on channel c is older than 1.5", none},
		{"unless the channel says how files are called", "{no_downgrade: true}", `, version: "App-{version}.msi"`, says("1.0", "pe"), []past{{version: "1.5"}}, Allow, "version 2.0", none},
		{"a name that the channel does not know", "{no_downgrade: true}", `, version: "tool-{version}.msi"`, says("3.0", "pe"), []past{{version: "1.5"}}, Quarantine, "it cannot be told which version", none},
		{"old bytes under a new name", "{no_downgrade: true}", `, version: "app-{version}.msi"`, nil, []past{{version: "1.9"}, {version: "1.0", sum: sum(1)}}, Quarantine, "these very bytes were let through before as an older version, and are called 2.0 now", none},
		{"old bytes under a new name, once by hand", "{no_downgrade: true}", `, version: "app-{version}.msi"`, nil, []past{{version: "1.9"}, {version: "1.0", sum: sum(1), byHand: true}}, Quarantine, "these very bytes", none},
		{"the present bytes under a new name", "{no_downgrade: true}", "", nil, []past{{version: "1.9", sum: sum(1)}}, Allow, "", none},
		{"an old release once more", "{no_downgrade: true}", "", named("app-1.0.msi"), []past{{version: "2.0"}, {version: "1.0", sum: sum(1)}}, Quarantine, "is older than 2.0", none},

		{"a branch of its own", "{no_downgrade: {branch: 1}}", "", nil, []past{{version: "3.1"}, {version: "1.9"}}, Allow, "version 2.0 is the first of the line 2", none},
		{"the same branch", "{no_downgrade: {branch: 1}}", "", nil, []past{{version: "3.1"}, {version: "2.0.5"}}, Quarantine, "is older than 2.0.5", none},
		{"another branch of two numbers", "{no_downgrade: {branch: 2}}", "", nil, []past{{version: "2.1"}}, Allow, "the line 2.0", none},
		{"old bytes in a branch of their own", "{no_downgrade: {branch: 1}}", `, version: "app-{version}.msi"`, named("app-4.0.msi"), []past{{version: "3.1"}, {version: "2.0", sum: sum(1)}}, Quarantine, "these very bytes", none},
		{"metadata", "{no_downgrade: true}", "", func(f *Facts) { f.Update.Role = verify.Metadata }, []past{{version: "3.0"}}, Allow, "asked of payloads only", none},
	})
}

func TestSamePublisher(t *testing.T) {
	by := func(findings ...verify.Finding) func(*Facts) {
		return func(f *Facts) { f.Report.Findings = findings }
	}
	vendor, other := []string{"Vendor Ltd"}, []string{"Other Ltd"}
	both := []string{"Other Ltd", "Vendor Ltd"}
	german := signedAs("Vendor Ltd")
	german.Signer.Country = "DE"
	private := signedAs("Vendor Ltd")
	private.Signer.PrivateRoot, private.Signer.RootFingerprint = true, "AB"
	stale := signedAs("Vendor Ltd")
	stale.NotAfter = now.Add(-time.Second)
	timeout := verify.Finding{Method: "apt", Status: verify.Inconclusive, Code: "apt/timeout"}
	inner := signedAs("Vendor Ltd")
	inner.Subject = "a.dll"
	none := time.Time{}
	require := "{same_publisher: true}"
	runHistory(t, []historyCase{
		{"the same", require, "", nil, []past{{version: "1.0", by: vendor}}, Allow, `the file is signed by "Vendor Ltd", as was 1.0`, none},
		{"another", require, "", by(signedAs("Other Ltd")), []past{{version: "1.0", by: vendor}}, Quarantine, `the file is signed by "Other Ltd", but 1.0 (app-1.0.msi, let through on 2026-06-14 12:00 UTC, record rec0) was by "Vendor Ltd"`, none},
		{"nobody any more", require, "", by(verify.Finding{Method: "authenticode", Status: verify.Absent}), []past{{version: "1.0", by: vendor}}, Quarantine, "the file is signed by nobody", none},
		{"the first", require, "", nil, nil, Allow, "nothing to compare with", none},
		{"without history", require, "", func(f *Facts) { f.History.Known = false }, nil, Quarantine, "not known", none},
		{"nobody before", require, "", nil, []past{{version: "1.0"}}, Quarantine, "nobody is known to have signed any release before", none},
		{"a namesake of another country", require, "", by(german), []past{{version: "1.0", by: vendor}}, Quarantine, `signed by "Vendor Ltd, DE"`, none},
		{"a namesake under somebody's own root", require, "", by(private), []past{{version: "1.0", by: vendor}}, Quarantine, `under the root ab`, none},
		{"a signature that has expired", require, "", by(stale), []past{{version: "1.0", by: vendor}}, Quarantine, "signed by nobody", none},
		{"a signature inside", require, "", by(inner), []past{{version: "1.0", by: vendor}}, Quarantine, "signed by nobody", none},
		{"what could not be told", require, "", by(timeout), []past{{version: "1.0", by: vendor}}, Quarantine, "it could not be told who signed the file", none},
		{"what is wrong", require, "", by(signedAs("Vendor Ltd"), invalid("authenticode/digest-mismatch")), []past{{version: "1.0", by: vendor}}, Quarantine, "defeats every signature", none},
		{"one of two", require, "", nil, []past{{version: "1.0", by: both}}, Allow, "", none},
		{"a new signer beside the old one", require, "", by(signedAs("Vendor Ltd"), signedAs("Other Ltd")), []past{{version: "1.0", by: vendor}}, Allow, "", none},
		{"who once signed beside the old one, alone", require, "", by(signedAs("Other Ltd")), []past{{version: "1.1", by: both}, {version: "1.0", by: vendor}}, Quarantine, `was by "Vendor Ltd"`, none},
		{"who was let in by hand", require, "", by(signedAs("Other Ltd")), []past{{version: "1.1", by: other, byHand: true}, {version: "1.0", by: vendor}}, Allow, "", none},
		{"and the old one no longer", require, "", nil, []past{{version: "1.1", by: other, byHand: true}, {version: "1.0", by: vendor}}, Quarantine, `was by "Other Ltd"`, none},
		{"an unsigned release by hand changes nothing", require, "", nil, []past{{version: "1.1", byHand: true}, {version: "1.0", by: vendor}}, Allow, "", none},
		{"nor for a stranger", require, "", by(signedAs("Other Ltd")), []past{{version: "1.1", byHand: true}, {version: "1.0", by: vendor}}, Quarantine, "", none},
		{"metadata", require, "", func(f *Facts) { f.Update.Role = verify.Metadata }, []past{{version: "1.0", by: other}}, Allow, "asked of payloads only", none},
		{"not", "{not: {same_publisher: true}}", "", by(signedAs("Other Ltd")), []past{{version: "1.0", by: vendor}}, Allow, "", none},
		{"not, without history", "{not: {same_publisher: true}}", "", func(f *Facts) { f.History.Known = false }, nil, Quarantine, "", none},
	})
}

func TestNeverWeaker(t *testing.T) {
	by := func(findings ...verify.Finding) func(*Facts) {
		return func(f *Facts) { f.Report.Findings = findings }
	}
	signed, stampedToo := []string{"signed", "signed:authenticode"}, []string{"signed", "signed:authenticode", "timestamped"}
	none := time.Time{}
	require := "{never_weaker: true}"
	runHistory(t, []historyCase{
		{"as before", require, "", nil, []past{{version: "1.0", proofs: signed}}, Allow, "the file has all 2 kinds of proof", none},
		{"more than before", require, "", by(stamped("Vendor Ltd", ago(day))), []past{{version: "1.0", proofs: signed}}, Allow, "", none},
		{"no timestamp", require, "", nil, []past{{version: "1.1", proofs: signed}, {version: "1.0", proofs: stampedToo}}, Quarantine, "the file lacks what releases before had: timestamped, since 2026-06-13 12:00 UTC (record rec1)", none},
		{"no signature", require, "", by(verify.Finding{Method: "authenticode", Status: verify.Absent}), []past{{version: "1.0", proofs: signed}}, Quarantine, "signed, since", none},
		{"another kind of signature", require, "", by(signedAsBy("nuget", "Vendor Ltd")), []past{{version: "1.0", proofs: signed}}, Quarantine, "signed:authenticode", none},
		{"by hand does not count", require, "", nil, []past{{version: "1.0", proofs: stampedToo, byHand: true}}, Allow, "no release before was signed", none},
		{"the first", require, "", nil, nil, Allow, "nothing to compare with", none},
		{"without history", require, "", func(f *Facts) { f.History.Known = false }, nil, Quarantine, "not known", none},
		{"what could not be told", require, "", by(verify.Finding{Method: "sigstore", Status: verify.Inconclusive, Code: "sigstore/unavailable"}), []past{{version: "1.0", proofs: []string{"attested"}}}, Quarantine, "it could not be told which proofs", none},
		{"what is wrong", require, "", by(invalid("x/y")), []past{{version: "1.0", proofs: signed}}, Quarantine, "defeats every proof", none},
		{"metadata", require, "", func(f *Facts) { f.Update.Role = verify.Metadata }, []past{{version: "1.0", proofs: stampedToo}}, Allow, "asked of payloads only", none},
	})
}

func TestOneView(t *testing.T) {
	view := func(same, path, version string) func(*Facts) {
		return func(f *Facts) {
			f.History.Views = []View{{Same: same, SHA256: sum(9), First: ago(day), Record: "rec", Others: true}}
			f.Request.URL.Path, f.Update.Name = "/"+path, path
			f.Report.Version, f.Report.System = version, "pe"
		}
	}
	second := func(s SecondLook, more ...func(*Facts)) func(*Facts) {
		return func(f *Facts) {
			for _, m := range more {
				m(f)
			}
			f.History.Second = s
		}
	}
	same, other, failed := SecondLook{Asked: true, SHA256: sum(1)}, SecondLook{Asked: true, SHA256: sum(9)}, SecondLook{Asked: true, Failed: "time-out"}
	none := time.Time{}
	require, twice := "{one_view: true}", "{one_view: {second_look: true}}"
	runHistory(t, []historyCase{
		{"nobody else", require, "", nil, nil, Allow, "nobody is known to have been given other bytes", none},
		{"without history", require, "", func(f *Facts) { f.History.Known = false }, nil, Quarantine, "not known", none},
		{"the same version under the same URL", require, "", view("url+version", "latest.exe", "2.0"), nil, Quarantine, "other bytes were given to others as this version under this URL (sha256 09000", none},
		{"the same URL, which names the version", require, "", view("url", "app-2.0.msi", ""), nil, Quarantine, "under this URL", none},
		{"the same URL, which names another version than the file", require, "", view("url", "app-2.0.msi", "3.0"), nil, Quarantine, "under this URL", none},
		{"the same URL, which names the version in another way", require, "", view("url", "app-2.0.msi", "2.0.0.0"), nil, Quarantine, "one_view: other bytes were given to others under this URL (sha256 0900", none},
		{"the same URL, which names a line of versions", require, "", view("url", "python-3.13.msi", "3.13.2"), nil, Quarantine, "cannot be told whether that was another version", none},
		{"a URL that leads to the latest", require, "", view("url", "latest.exe", "2.1"), nil, Allow, "", none},
		{"a URL that leads to the latest, of unknown version", require, "", view("url", "latest.exe", ""), nil, Quarantine, "cannot be told whether that was another version", none},
		{"and a second look", twice, "", second(same, view("url", "latest.exe", "")), nil, Allow, "the origin gave the same at a second look", none},
		{"a second look does not help against what is certain", twice, "", second(same, view("url+version", "latest.exe", "2.0")), nil, Quarantine, "other bytes were given", none},
		{"the same version elsewhere, in another build perhaps", require, "", view("version", "app-2.0.msi", ""), nil, Allow, "", none},
		{"the same version elsewhere of what is one product", require, ", product: App", view("version", "app-2.0.msi", ""), nil, Quarantine, "as this version", none},
		{"these very bytes are no other view", require, "", func(f *Facts) { f.History.Views = []View{{Same: "url+version", SHA256: sum(1)}} }, nil, Allow, "", none},
		{"a kind of view that is not known here", require, "", view("else", "app-2.0.msi", ""), nil, Quarantine, "cannot be told", none},
		{"no second look", twice, "", nil, nil, Quarantine, "the origin was not asked a second time", none},
		{"another answer", twice, "", second(other), nil, Quarantine, "the origin gave other bytes at a second look", none},
		{"another answer where nobody asked", require, "", second(other), nil, Quarantine, "the origin gave other bytes", none},
		{"no answer", twice, "", second(failed), nil, Quarantine, "could not be asked a second time: time-out", none},
		{"no answer where nobody asked", require, "", second(failed), nil, Allow, "", none},
		{"an answer of no bytes", twice, "", second(SecondLook{Asked: true}), nil, Quarantine, "not known what the origin gave", none},
		{"for this client alone", require, "", func(f *Facts) { f.History.Private = true }, nil, Quarantine, "for this client alone", none},
		{"for this client alone, and certain", require, "", second(other, func(f *Facts) { f.History.Private = true }), nil, Quarantine, "the origin gave other bytes", none},
		{"metadata", require, "", func(f *Facts) { view("url+version", "a", "")(f); f.Update.Role = verify.Metadata }, nil, Allow, "asked of payloads only", none},
	})
}
