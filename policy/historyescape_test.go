package policy

import (
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// What a file is called, whoever serves it or asks for it may choose. It must not lead to another history than the file's own word, or
// the channel's, does.
func TestNamesDoNotEscapeHistory(t *testing.T) {
	calls := func(path, name string, sure bool) func(*Facts) {
		return func(f *Facts) {
			f.Request.URL.Path, f.Update.Name = path, name
			f.Update.Format = verify.Sniff([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), name)
			if sure {
				f.Report.Product, f.Report.Version, f.Report.System = "App", "1.0", "msi"
			}
		}
	}
	for _, c := range []struct {
		name, keys string
		first, now func(*Facts)
		want       Action
	}{
		{"another ending", "", calls("/app.msi", "", true), calls("/app.msp", "", true), Quarantine},
		{"an ending of nothing", "", calls("/app.msi", "", true), calls("/d", "app.update", true), Quarantine},
		{"a dot at the end", "", calls("/app.msi", "", true), calls("/app.msi.", "app.msi.", true), Quarantine},
		{"no ending", "", calls("/app.msi", "", true), calls("/d", "download", true), Quarantine},
		{"letters that are the same in another case", `, version: "desktop-{version}.msi"`, calls("/desktop-2.0.msi", "", false), calls("/de\u017f\u212atop-1.0.msi", "", false), Quarantine},
		{"a name that the channel's pattern does not fit", `, version: "app-{version}-*.msi"`, calls("/app-2.0-x64.msi", "", false), calls("/new.msi", "new.msi", true), Quarantine},
		{"another case", "", calls("/app-2.0.msi", "", false), calls("/APP-1.0.MSI", "", false), Quarantine},
		{"two versions in the name", "", calls("/app-2.0-win10.0.msi", "", false), calls("/app-1.0-win10.0.msi", "", false), Quarantine},
		{"a number without dots", "", calls("/app-120.msi", "", false), calls("/app-119.msi", "", false), Quarantine},
		{"another product, by its own word", "", calls("/app.msi", "", true), func(f *Facts) { calls("/app.msi", "", true)(f); f.Report.Product = "Tool" }, Allow},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustParse(t, fmt.Sprintf(historyPolicy, "{no_downgrade: true}", c.keys))
			before, f := facts(t, "https://v.example/"), facts(t, "https://v.example/", signedAs("Vendor Ltd"))
			c.first(&before)
			c.now(&f)
			was, is := p.Editions(before.Request, before.Update, before.Report)[0], p.Editions(f.Request, f.Update, f.Report)
			f.History = History{Known: true, Editions: is, Past: map[string]Past{"c": {Product: is[0].Product}}}
			if was.Product == is[0].Product { // as the ledger has it
				f.History.Past["c"] = Past{Product: was.Product, Releases: []PastRelease{{Version: "2.0", System: "msi", SHA256: sum(7), Record: "rec"}}}
			}
			if d := p.Decide(f); d.Action != c.want {
				t.Errorf("first %q, then %q: %+v", was.Product, is[0].Product, d)
			}
		})
	}
}

// Whoever asks for a file may choose its name where the server does not mind; versions that are made up that way must not stand in the way of
// those that come.
func TestMadeUpVersionsDoNotStay(t *testing.T) {
	other := sum(70)
	none := time.Time{}
	require := "{no_downgrade: true}"
	latest := func(version string) func(*Facts) {
		return func(f *Facts) { f.Request.URL.Path = "/app-" + version + ".msi" }
	}
	runHistory(t, []historyCase{
		{"the next release after one of them", require, "", latest("2.1"), []past{{version: "99.0", sum: other}, {version: "2.0", sum: other}}, Allow, "no older than 2.0", none},
		{"an older one still is", require, "", latest("1.9"), []past{{version: "99.0", sum: other}, {version: "2.0", sum: other}}, Quarantine, "is older than 2.0", none},
		{"the same bytes by their own name", require, "", nil, []past{{version: "99.0", sum: sum(1)}, {version: "1.9"}}, Allow, "no older than 1.9", none},
		{"and nothing else before", require, "", nil, []past{{version: "99.0", sum: sum(1)}}, Allow, "these very bytes are all that was let through before", none},
		{"by hand under a lower one", require, "", latest("2.1"), []past{{version: "99.0", sum: other}, {version: "2.0", sum: other, byHand: true}}, Quarantine, "is older than 99.0", none},
		{"a candidate that became the release", require, "", latest("2.0.1"), []past{{version: "2.0", sum: other}, {version: "2.0-rc3", sum: other}}, Allow, "no older than 2.0-rc3", none},
	})
}

// What was let through in an unknown version first does not refuse all that comes: a person says where versions begin.
func TestVersionsBeginByHand(t *testing.T) {
	none := time.Time{}
	require := "{no_downgrade: true}"
	runHistory(t, []historyCase{
		{"nobody has said", require, "", nil, []past{{}}, Quarantine, "a release by hand says where versions begin", none},
		{"somebody has", require, "", nil, []past{{version: "1.9", byHand: true}, {}}, Allow, "no older than 1.9", none},
		{"but this is older", require, "", nil, []past{{version: "2.1", byHand: true}, {}}, Quarantine, "a release by hand says", none},
		{"and is of another line", "{no_downgrade: {branch: 1}}", "", nil, []past{{version: "1.9", byHand: true}, {}}, Quarantine, "a release by hand says", none},
		{"what is no version is not known", require, "", nil, []past{{version: "1.9"}, {version: "unstable"}}, Allow, "no older than 1.9", none},
	})
}
