package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// TestAPackageOfThousandsStaysReadable: who signed how much is counted, and what stands out comes first.
func TestAPackageOfThousandsStaysReadable(t *testing.T) {
	r := verify.Report{Contents: &verify.Contents{Files: 5000, Executables: 5000}}
	add := func(path string, f verify.Finding) {
		f.Subject = path
		r.Findings = append(r.Findings, f)
	}
	r.Findings = append(r.Findings, verify.Finding{Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid", Signer: verify.Identity{Name: "Vendor"}})
	for i := range 5000 {
		path := fmt.Sprintf("disk1.cab/%s/file%d.dll", strings.Repeat("folder", 20), i)
		r.Contents.Inner = append(r.Contents.Inner, verify.Inner{Path: path, Format: "pe", Size: 1, SHA256: verify.Digest{byte(i), byte(i >> 8), 1}})
		switch {
		case i%10 == 0:
			add(path, verify.Finding{Method: "authenticode", Status: verify.Absent, Code: "authenticode/unsigned"})
		case i == 4999:
			add(path, verify.Finding{Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid", Signer: verify.Identity{Name: "Vendor"}})
			add(path, verify.Finding{Method: "authenticode", Status: verify.Invalid, Code: "authenticode/padding-data"})
		default:
			add(path, verify.Finding{Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid", Signer: verify.Identity{Name: []string{"Vendor", "Microsoft"}[i%2]}})
		}
	}
	findings, contents := OfReport(r)
	if len(findings) != maxList || findings[0].Subject != "" || findings[1].Code != "authenticode/padding-data" || findings[maxList-1].Code != "audit/left-out" {
		t.Errorf("%d findings, the first: %+v", len(findings), findings[:3])
	}
	if s := contents.Signers; len(s) != 2 || s[0].Signer != "Microsoft" || s[0].Files != 2499 || s[1].Files != 2001 {
		t.Errorf("signers: %+v", s)
	}
	if contents.LeftOut == 0 || len(contents.Inner)+contents.LeftOut != 5000 {
		t.Errorf("%d files are listed, %d left out", len(contents.Inner), contents.LeftOut)
	}
	if in := contents.Inner[1]; len(in.By) != 1 || contents.Signers[in.By[0]].Signer != "Microsoft" && contents.Signers[in.By[0]].Signer != "Vendor" {
		t.Errorf("%+v", in)
	}
	record := Record{Kind: KindDecision, Decision: &Decision{}, Artifact: &Artifact{SHA256: verify.Digest{1}}, Findings: findings, Contents: contents}
	b, err := json.Marshal(bounded(record))
	if err != nil || len(b) > maxRecord {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	appendTest(t, l, record)
	wantSound(t, dir, 1)
}
