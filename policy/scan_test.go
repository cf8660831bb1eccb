package policy

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-project/sallyport/verify"
)

const scanPolicy = `version: 1
scanners:
  clam: {clamd: "unix:/run/clamav/clamd.ctl"}
  yara: {command: [/usr/bin/yara, /etc/rules.yar, "{file}"], found: output}
channels:
- {name: v, hosts: [v.example], require: [REQUIRE]}
`

func TestScans(t *testing.T) {
	clean := Scan{Status: ScanClean, File: ScanClean, Inside: true, Files: 13, Engine: "ClamAV 1.4.6/27000"}
	outer := Scan{Status: ScanClean, File: ScanClean, Files: 1}
	failed := Scan{Inside: true, Reason: "it cannot be reached: connect: no such file or directory", Engine: "ClamAV 1.4.6"}
	inner := Scan{Inside: true, File: ScanClean, Files: 2, Reason: "a.zip: it is encrypted"}
	found := Scan{Status: ScanFound, File: ScanClean, Inside: true, Files: 3, Hits: []ScanHit{{Path: "disk1.cab/a\x1b.dll", Name: "Evil\x1b[31m"}, {Name: "Other"}}}
	odd := Scan{Status: ScanFound, Inside: true}
	hidden := Scan{Status: ScanClean, File: ScanClean, Inside: true, Files: 3, Hits: []ScanHit{{Path: "x", Name: "Evil"}}}
	for _, c := range []struct {
		name, require string
		clam, yara    Scan
		want          Action
		why           string
	}{
		{"clean", "{scan: [clam]}", clean, Scan{}, Allow, "scan clam: clam (ClamAV 1.4.6/27000) found nothing in the file itself and 12 files inside"},
		{"both clean", "{scan: [clam, yara]}", clean, clean, Allow, "; yara"},
		{"one of two", "{scan: [clam, yara]}", clean, failed, Quarantine, "scan clam, yara: yara (ClamAV 1.4.6) could not tell: it cannot be reached: connect: no such file or directory"},
		{"found", "{scan: [clam]}", found, Scan{}, Quarantine, `scan clam: clam found Evil\x1b[31m in disk1.cab/a\x1b.dll inside, Other in the file itself`},
		{"found by one, and the other failed", "{scan: [clam, yara]}", failed, found, Quarantine, `scan clam, yara: yara found Evil`},
		{"found, and not said what", "{scan: [clam]}", odd, Scan{}, Quarantine, "clam found something, and does not say what"},
		{"clean, and found", "{scan: [clam]}", hidden, Scan{}, Quarantine, "clam found Evil in x inside"},
		{"failed", "{scan: [clam]}", failed, Scan{}, Quarantine, "could not tell: it cannot be reached"},
		{"failed is not its opposite", "{not: {scan: [clam]}}", failed, Scan{}, Quarantine, "could not tell"},
		{"found is", "{not: {scan: [clam]}}", found, Scan{}, Allow, ""},
		{"any", "{any: [{scan: [clam]}, {scan: [yara]}]}", failed, clean, Allow, ""},
		{"only the file itself was scanned", "{scan: [clam]}", outer, Scan{}, Quarantine, "clam was given only the file itself, not what is inside"},
		{"only that is asked", "{scan: {scanners: [clam], inside: false}}", outer, Scan{}, Allow, "clam found nothing in the file itself; what may be inside does not matter here"},
		{"what is inside does not matter", "{scan: {scanners: [clam], inside: false}}", inner, Scan{}, Allow, "found nothing in the file itself"},
		{"it does otherwise", "{scan: {scanners: [clam], inside: true}}", inner, Scan{}, Quarantine, "clam could not tell: a.zip: it is encrypted"},
		{"what was found inside counts all the same", "{scan: {scanners: [clam], inside: false}}", found, Scan{}, Quarantine, "clam found Evil"},
		{"as an expression", `{if: "scans.all(s, s.status == 'clean')"}`, clean, clean, Allow, ""},
		{"as an expression, failed", `{if: "scans.all(s, s.status == 'clean')"}`, clean, failed, Quarantine, "scanner yara could not tell: it cannot be reached"},
		{"as an expression, found", `{if: "scans.all(s, s.status == 'clean')"}`, clean, found, Quarantine, "is false"},
		{"found already", `{if: "!scans.exists(s, s.status == 'found')"}`, failed, found, Quarantine, "is false"},
		{"some hits are let pass", `{if: "scans.all(s, s.hits.all(h, h.name in ['Other', 'Evil\\u001b[31m']))"}`, clean, found, Allow, ""},
		{"others are not", `{if: "scans.all(s, s.hits.all(h, h.name == 'Other'))"}`, clean, found, Quarantine, "is false"},
		{"hits of a failed scan", `{if: "scans.all(s, s.hits.all(h, h.name == 'Other'))"}`, clean, inner, Quarantine, "it could not be told what else scanner yara would find: a.zip: it is encrypted"},
		{"the path of a hit", `{if: "!scans.exists(s, s.hits.exists(h, h.path.endsWith('.dll')))"}`, clean, found, Quarantine, "is false"},
		{"hits that are not listed", `{if: "scans.all(s, s.hits.all(h, h.name == 'Other'))"}`, clean, odd, Quarantine, "could not be told"},
	} {
		p := mustParse(t, strings.Replace(scanPolicy, "REQUIRE", c.require, 1))
		f := facts(t, "https://v.example/x.exe")
		f.Scans = map[string]Scan{"clam": c.clam, "yara": c.yara}
		d := p.Decide(f)
		why := strings.Join(d.Reasons, "; ")
		if d.Action != c.want || !strings.Contains(why, c.why) || strings.Contains(why, "\x1b") {
			t.Errorf("%s: %s, want %s (%q): %s", c.name, d.Action, c.want, c.why, why)
		}
		f.Scans = nil
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("%s: allowed without any scan: %q", c.name, d.Reasons)
		}
		f.Scans = map[string]Scan{"clam": {}, "yara": {}}
		if d := p.Decide(f); d.Action == Allow {
			t.Errorf("%s: allowed by empty scans: %q", c.name, d.Reasons)
		}
	}
}

// Scans are asked of metadata, too.
func TestScansOfMetadata(t *testing.T) {
	p := mustParse(t, strings.Replace(scanPolicy, "REQUIRE", "{scan: [clam]}", 1))
	f := facts(t, "https://v.example/index")
	f.Update.Role = verify.Metadata
	if d := p.Decide(f); d.Action != Quarantine {
		t.Errorf("%s: %q", d.Action, d.Reasons)
	}
}

func TestPlansNameScanners(t *testing.T) {
	for require, want := range map[string]struct {
		names  []string
		inside bool
	}{
		"":                               {},
		"{scan: [yara, clam]}":           {[]string{"clam", "yara"}, true},
		"{any: [{not: {scan: [yara]}}]}": {[]string{"yara"}, true},
		"{scan: {scanners: [clam], inside: false}}":                 {[]string{"clam"}, false},
		"{scan: {scanners: [clam], inside: false}}, {scan: [yara]}": {[]string{"clam", "yara"}, true},
		`{if: "scans.size() > 0"}`:                                  {[]string{"clam", "yara"}, true},
	} {
		p := mustParse(t, strings.Replace(scanPolicy, "REQUIRE", require, 1))
		pl := p.Plan(facts(t, "https://v.example/x").Request)
		if !reflect.DeepEqual(pl.Scanners, want.names) || pl.ScanInside != want.inside || pl.Contents != want.inside {
			t.Errorf("%q: scanners %q, inside %v, contents %v", require, pl.Scanners, pl.ScanInside, pl.Contents)
		}
	}
	p := mustParse(t, strings.Replace(scanPolicy, "REQUIRE", "{scan: [clam]}", 1))
	if out := strings.Join(p.Explain(facts(t, "https://v.example/x").Request), "\n"); !strings.Contains(out, "has it scanned, with everything inside, by: clam (clamd at unix:/run/clamav/clamd.ctl)") {
		t.Errorf("%s", out)
	}
	if pl := p.Plan(facts(t, "https://elsewhere.example/x").Request); len(pl.Scanners) > 0 {
		t.Errorf("scanners %q where nothing asks any", pl.Scanners)
	}
}

func TestScannersAreReadAsTheyAreWritten(t *testing.T) {
	p := mustParse(t, `version: 1
scanners:
  a: {clamd: "tcp:[::1]:3310", max_size: 1MiB, too_large: contents, timeout: 5s, total: 1m, remember: 10m, at_once: 2}
  b: {icap: "icap://av.example.org/scan?x=y", method: reqmod, early: clean}
  c: {command: [/usr/bin/clamdscan, "-"], found: {exit: [1, 7]}}
  d: {command: [/usr/bin/yara, /r, "{file}"], found: output}
`)
	rest := Scanner{MaxSize: 100 << 20, Timeout: time.Minute, Total: 10 * time.Minute, Remember: time.Hour, AtOnce: 4}
	b, c, d := rest, rest, rest
	b.Name, b.Line, b.Position, b.ICAP, b.Request, b.Early = "b", 4, 3, "icap://av.example.org/scan?x=y", true, true
	c.Name, c.Line, c.Position, c.Command, c.FoundExits = "c", 5, 3, []string{"/usr/bin/clamdscan", "-"}, []int{1, 7}
	d.Name, d.Line, d.Position, d.Command = "d", 6, 3, []string{"/usr/bin/yara", "/r", "{file}"}
	want := []Scanner{
		{Name: "a", Line: 3, Position: 3, Clamd: "tcp:[::1]:3310", MaxSize: 1 << 20, Contents: true, Timeout: 5 * time.Second, Total: time.Minute, Remember: 10 * time.Minute, AtOnce: 2},
		b, c, d,
	}
	if got := p.Scanners(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if w := warningsOf(p, now); strings.Count(w, "is never asked") != 4 {
		t.Errorf("%s", w)
	}
}

func TestBadScanners(t *testing.T) {
	for written, want := range map[string]string{
		"x: {}": "a scanner has one of clamd, icap and command, this has none",
		`x: {clamd: "unix:/a", icap: "icap://h/s"}`:             "this has several",
		"x: {clamd: /run/clamd}":                                `"/run/clamd" is no address of a clamd: write unix:/PATH or tcp:HOST:PORT`,
		`x: {clamd: "unix:run/clamd"}`:                          "is no address of a clamd",
		`x: {clamd: "tcp:localhost"}`:                           "is no address of a clamd",
		`x: {clamd: "tcp:h:0"}`:                                 "is no address of a clamd",
		`x: {icap: "http://h/s"}`:                               "is no URL of an ICAP service",
		`x: {icap: "icap://h"}`:                                 "is no URL of an ICAP service",
		`x: {icap: "icap://u@h/s"}`:                             "is no URL of an ICAP service",
		`x: {clamd: "unix:/a", method: reqmod}`:                 "method is said of scanners with icap, this has none",
		`x: {clamd: "unix:/a", found: output}`:                  "found is said of scanners with command, this has none",
		`x: {command: [yara, "{file}"], found: output}`:         `write the whole path of the program "yara": it is looked for nowhere`,
		`x: {command: [/bin/yara, "{file}"]}`:                   "how does this command say that it has found something?; write found: output",
		`x: {command: [/bin/a, "{file}{file}"], found: output}`: "{file} stands in one argument at most, and is not the program",
		`x: {command: ["{file}"], found: output}`:               "{file} stands in one argument at most, and is not the program",
		`x: {command: ["/{file}"], found: output}`:              "{file} stands in one argument at most, and is not the program",
		`x: {command: [/bin/a], found: {exit: [0]}}`:            `"0" is no exit status from 1 to 255`,
		`x: {command: [/bin/a], found: lines}`:                  "lines",
		`x: {clamd: "unix:/a", at_once: 100}`:                   `"100" is no whole number from 1 to 64`,
		`x: {clamd: "unix:/a", timeout: 20m}`:                   "one file may take longer (timeout) than the update with all that is inside (total)",
		`x: {clamd: "unix:/a", remember: 8d}`:                   "what a scanner said is remembered for 7d at most",
		`x: {clamd: "unix:/a", total: 3h}`:                      "within 2h at most",
		`-x: {clamd: "unix:/a"}`:                                `"-x" is no name of a scanner`,
	} {
		_, err := Parse("p.yaml", nil, []byte("version: 1\nscanners:\n  "+written+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", written, err, want)
		}
	}
	for require, want := range map[string]string{
		"{scan: [clm]}":          `there is no scanner "clm"; did you mean "clam"?`,
		"{scan: []}":             "this list is empty",
		"{scan: {inside: true}}": "scanners",
	} {
		_, err := Parse("p.yaml", nil, []byte(strings.Replace(scanPolicy, "REQUIRE", require, 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", require, err, want)
		}
	}
	_, err := Parse("p.yaml", nil, []byte("version: 1\nchannels: [{name: c, hosts: [h.example], require: [{if: \"scans.all(s, s.status == 'clean')\"}]}]\n"))
	if err == nil || !strings.Contains(err.Error(), "it asks what scanners say, but the policy has none") {
		t.Errorf("%v", err)
	}
	_, err = Parse("p.yaml", nil, []byte(strings.Replace(scanPolicy, "REQUIRE", "{scan: [clam]}", 1)+"tests: [{name: t, url: \"https://v.example/\", scans: {calm: clean}, want: allow}]\n"))
	if err == nil || !strings.Contains(err.Error(), `there is no scanner "calm"`) {
		t.Errorf("%v", err)
	}
}

// A record that is read by another version is no clean scan because of what that does not know.
func TestScansAsTheyAreStored(t *testing.T) {
	s := Scan{Status: ScanFound, File: ScanClean, Inside: true, Hits: []ScanHit{{Path: "a", Name: "b"}}, Engine: "e", Files: 3, At: now}
	data, err := json.Marshal(s)
	var back Scan
	if err != nil || json.Unmarshal(data, &back) != nil || !reflect.DeepEqual(s, back) {
		t.Errorf("%s, %v", data, err)
	}
	for _, text := range []string{`{}`, `{"status": "fine", "file": "fine", "inside": true}`, `{"status": "Clean"}`} {
		var s Scan
		if json.Unmarshal([]byte(text), &s); s.Status != ScanFailed || s.File != ScanFailed {
			t.Errorf("%s: %+v", text, s)
		}
	}
}

// More hits, and more failures, never let through what was refused.
func TestMoreHitsNeverAllowMore(t *testing.T) {
	status := rapid.SampledFrom([]ScanStatus{ScanFailed, ScanClean, ScanFound})
	scan := rapid.Custom(func(t *rapid.T) Scan {
		s := Scan{Status: status.Draw(t, "status"), File: status.Draw(t, "file"), Inside: rapid.Bool().Draw(t, "inside"), Files: rapid.IntRange(0, 3).Draw(t, "files")}
		if s.Status == ScanFound {
			s.Hits = []ScanHit{{Name: rapid.SampledFrom([]string{"", "a"}).Draw(t, "name")}}
		}
		return s
	})
	require := rapid.SampledFrom([]string{"{scan: [clam]}", "{scan: [clam, yara]}", "{scan: {scanners: [clam], inside: false}}", "{any: [{scan: [clam]}, {scan: [yara]}]}",
		`{if: "scans.all(s, s.status == 'clean')"}`, `{if: "scans.all(s, s.hits.size() == 0)"}`})
	rapid.Check(t, func(rt *rapid.T) {
		p := mustParse(t, strings.Replace(scanPolicy, "REQUIRE", require.Draw(rt, "require"), 1))
		f := facts(t, "https://v.example/x")
		f.Scans = map[string]Scan{"clam": scan.Draw(rt, "clam"), "yara": scan.Draw(rt, "yara")}
		before := p.Decide(f)
		worse := f.Scans["clam"]
		if rapid.Bool().Draw(rt, "fails") && worse.Status == ScanClean {
			worse.Status, worse.File = ScanFailed, ScanFailed
		} else {
			worse.Status, worse.Hits = ScanFound, append(worse.Hits, ScanHit{Path: "p", Name: "n"})
		}
		f.Scans = map[string]Scan{"clam": worse, "yara": f.Scans["yara"]}
		if after := p.Decide(f); after.Action > before.Action {
			rt.Fatalf("%s became %s: %q", before.Action, after.Action, after.Reasons)
		}
	})
}
