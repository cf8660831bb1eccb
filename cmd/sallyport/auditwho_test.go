package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/verify"
)

// stateWithInside is a state directory whose log tells of an update with two files inside, one of which is no executable.
func stateWithInside(t *testing.T) (dir stateDir, update, library, readme verify.Digest) {
	t.Helper()
	dir = stateDir(t.TempDir())
	update, library, readme = verify.Digest{1}, verify.Digest{2}, verify.Digest{3}
	log, err := audit.Open(dir.log(), audit.Options{Origin: "log.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	l, err := ledger.Open(string(dir), dir.log(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	report := verify.Report{Contents: &verify.Contents{Files: 2, Inner: []verify.Inner{
		{Path: "disk1.cab/ffmpeg.dll", Format: "pe", Size: 9, SHA256: library}, {Path: "doc/README\x1b[2J", Size: 9, SHA256: readme},
	}}}
	rec := audit.Record{
		Kind: audit.KindDecision, Channel: "vendor", Client: &audit.Client{Addr: "10.0.0.7", User: "alice"},
		Artifact: &audit.Artifact{Name: "setup.msi", Format: "msi", SHA256: update},
		Decision: &audit.Decision{Action: policy.Allow, Rule: "channel vendor", Reasons: []string{}},
	}
	rec.Findings, rec.Contents = audit.OfReport(report)
	receipt, err := log.Append(rec)
	if err != nil {
		t.Fatal(err)
	}
	rec.ID, rec.Time = receipt.ID(), receipt.Time()
	l.Add(rec, &report)
	if err := l.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = log.Append(audit.Record{Kind: audit.KindDelivery, Channel: "vendor", Client: rec.Client, Decides: rec.ID, Delivery: &audit.Delivery{Status: 200, Sent: 9, Complete: true}})
	if err != nil {
		t.Fatal(err)
	}
	return dir, update, library, readme
}

func TestWhoTellsWhichUpdateHoldsAFileAndWhoGotIt(t *testing.T) {
	dir, update, library, readme := stateWithInside(t)
	for _, c := range []struct {
		name    string
		digest  verify.Digest
		forget  bool
		inside  string // in the first line; "" for no such line
		records int
	}{
		{"the update itself", update, false, "", 2},
		{"an executable inside", library, false, "inside setup.msi (SHA-256 " + update.String() + ") as disk1.cab/ffmpeg.dll\n", 2},
		{"another file inside", readme, false, `as doc/README\x1b[2J`, 2},
		{"something else", verify.Digest{9}, false, "", 0},
		{"an executable inside, without the history", library, true, "as disk1.cab/ffmpeg.dll", 2},
		{"another file inside, without the history", readme, true, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.forget {
				os.Remove(string(dir) + "/history.db")
			}
			var notes, out, asJSON bytes.Buffer
			a, err := whoHas(t.Context(), dir, c.digest, 100, &notes)
			if err != nil || notes.Len() > 0 || len(a.records) != c.records {
				t.Fatalf("%d records, %v, %s", len(a.records), err, &notes)
			}
			if err := a.print(&out); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(out.String(), "inside ") != (c.inside != "") || !strings.Contains(out.String(), c.inside) {
				t.Errorf("%s", &out)
			}
			if c.records > 0 {
				for _, want := range []string{"complete", "alice@10.0.0.7", "setup.msi: channel vendor"} {
					if !strings.Contains(out.String(), want) {
						t.Errorf("%q is missing in\n%s", want, &out)
					}
				}
			}
			if err := a.printJSON(&asJSON); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(asJSON.String()) {
				var r struct {
					ID     string
					Inside []string
				}
				if err := json.Unmarshal([]byte(line), &r); err != nil || r.ID == "" || (len(r.Inside) == 1) != (c.inside != "") {
					t.Errorf("%s: %v", line, err)
				}
			}
		})
	}
}

// Whoever is refused over and over hides nobody unseen.
func TestWhoSaysThatThereMayBeMore(t *testing.T) {
	dir, update, _, _ := stateWithInside(t)
	for limit, want := range map[int]bool{1: true, 2: true, 3: false} {
		var notes bytes.Buffer
		a, err := whoHas(t.Context(), dir, update, limit, &notes)
		if err != nil {
			t.Fatal(err)
		}
		a.noteWhatIsLeftOut(&notes, limit)
		if got := strings.Contains(notes.String(), "there may be more"); got != want {
			t.Errorf("--limit %d: %s", limit, &notes)
		}
	}
}
