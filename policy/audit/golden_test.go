package audit

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// everyKind is one record of every kind with every field that records of that kind have.
func everyKind() []Record {
	at := time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC)
	client := &Client{Addr: netip.MustParseAddr("10.20.0.7").String(), User: "alice"}
	request := &Request{Method: "GET", URL: "https://dl.example/3CXDesktopApp-18.12.416.msi?sig=REDACTED"}
	artifact := &Artifact{
		Name: "3CXDesktopApp-18.12.416.msi", Format: "msi", Role: verify.Payload.String(), Size: 104857600,
		SHA256: verify.Digest{0x59, 0xe1}, Product: "3CX Desktop App", Version: "18.12.416",
	}
	signed := verify.Finding{
		Subject: "disk1.cab/d3dcompiler_47.dll", Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid",
		Signer: verify.Identity{Name: "Microsoft Corporation"}, SignedAt: at.Add(-2 * time.Hour),
	}
	findings, contents := OfReport(verify.Report{Contents: &verify.Contents{
		Files: 2, Bytes: 900_000, Executables: 1, Containers: 2, Depth: 2, Unread: 1,
		Inner: []verify.Inner{
			{Path: "disk1.cab", Format: "cab", Size: 500_000, SHA256: verify.Digest{1}},
			{Path: signed.Subject, Format: "pe", Size: 400_000, SHA256: verify.Digest{2}, Taps: map[string][]byte{"authenticode/sha256": {0xab}}},
		},
	}, Findings: []verify.Finding{
		signed,
		{
			Method: "authenticode", Status: verify.Valid, Code: "authenticode/valid",
			Signer: verify.Identity{Name: "3CX Ltd", Organization: "3CX Ltd"}, SignedAt: at.Add(-time.Hour), Anchors: []string{"threecx"},
		},
		{
			Subject: "disk1.cab/d3dcompiler_47.dll", Method: "authenticode", Status: verify.Invalid,
			Code: "authenticode/padding-data", Detail: "275,312 bytes follow the signature inside the certificate table",
		},
		{
			Method: "sigstore", Status: verify.Valid, Code: "sigstore/valid", Anchors: []string{"acme-ci"}, SignedAt: at.Add(-time.Hour),
			Signer: verify.Identity{
				Name:   "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3",
				Issuer: "https://token.actions.githubusercontent.com", Fingerprint: "ab",
			},
			Attestation: &verify.Attestation{
				PredicateType: "https://slsa.dev/provenance/v1", Predicate: "slsa", Builder: "https://github.com/actions/runner/github-hosted",
				BuildType: "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1", Source: "https://github.com/acme/app",
				Ref: "refs/tags/v1.2.3", Commit: "59e1", Levels: "SLSA_BUILD_LEVEL_3", Result: "PASSED", Package: "pkg:npm/%40acme/app@1.2.3",
			},
			Workload: &verify.Workload{
				BuildSigner: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3", Runner: "github-hosted",
				Source: "https://github.com/acme/app", Ref: "refs/tags/v1.2.3", Commit: "59e1", Trigger: "push",
				Run: "https://github.com/acme/app/actions/runs/1/attempts/1",
			},
		},
	}})
	evidence := []verify.Reference{
		{URL: "https://dl.example/InRelease", SHA256: verify.Digest{0xab}},
		{URL: "https://dl.example/Release.gpg", Result: "404 Not Found"},
	}
	decided := DecisionFrom(policy.Decision{
		Action: policy.Quarantine, Observed: true, Rule: "channel 3cx",
		Reasons: []string{"contents: disk1.cab/d3dcompiler_47.dll is not intact"}, Policy: verify.Digest{0xcd},
	})
	release := &Release{SHA256: artifact.SHA256, Scope: "3cx", Until: at.Add(24 * time.Hour), Reason: "INC-1234", By: "bob"}
	editions := []policy.Edition{{
		Channel: "3cx", Product: "3CX Desktop App", Version: "18.12.416", System: "msi", Publishers: []string{"o:3CX Ltd"}, Proofs: []string{"signed", "timestamped"},
	}}
	list := []Record{
		{Kind: KindDecision, Client: client, Request: request, Channel: "3cx", Artifact: artifact, Editions: editions, Findings: findings, Contents: contents, Evidence: evidence, Decision: decided},
		{Kind: KindDelivery, Client: client, Request: request, Channel: "3cx", Artifact: artifact, Decides: "01DECISION", Delivery: &Delivery{
			Status: 200, Sent: 4096, Mode: "hold", Error: "the client closed the connection"}},
		{Kind: KindRelease, Channel: "3cx", Artifact: artifact, Decides: "01DECISION", Release: release},
		{Kind: KindReject, Channel: "3cx", Artifact: artifact, Decides: "01DECISION", Release: &Release{
			SHA256: artifact.SHA256, Scope: "3cx", Reason: "malware", By: "bob"}},
		{Kind: KindPolicy, Decision: nil, Message: "loaded policy.yaml, sha256:cd00"},
		{Kind: KindTunnel, Client: client, Tunnel: &Tunnel{Host: "bank.example:443", SNI: "bank.example", Sent: 517, Received: 5120, Result: "closed by the client"}},
		{Kind: KindCA, Message: "made the CA"},
		{Kind: KindLearn, Request: request, Message: "debian: bookworm is of Sat, 02 May 2026"},
		{Kind: KindStart, Message: "sallyport 1.0.0"},
		{Kind: KindStop, Message: "after 1h2m3s"},
	}
	for i := range list {
		list[i].V, list[i].ID, list[i].Time = 1, "01K"+string(list[i].Kind), at
	}
	return list
}

func TestShapeOfRecordsIsPinned(t *testing.T) {
	var got bytes.Buffer
	for _, r := range everyKind() {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(b, '\n'))
	}
	path := filepath.Join("testdata", "records.golden.json")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the shape of records has changed; fields may only be added. Got:\n%s", got.String())
	}
}

func TestEveryKindIsReadBackAsItWasAppended(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	for _, want := range everyKind() {
		appendTest(t, l, want)
		got, err := Show(t.Context(), dir, want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", want.Kind, got, err, want)
		}
	}
	wantSound(t, dir, int64(len(everyKind())))
}

func TestPersonalValuesStandOnlyInTheirOwnFile(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	for _, r := range everyKind() {
		appendTest(t, l, r)
	}
	closeTest(t, l)
	if err := catchUp(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"10.20.0.7", "alice", "dl.example/3CXDesktopApp"} {
			if bytes.Contains(b, []byte(value)) != (e.Name() == personalName(0)) {
				t.Errorf("%q in %s: %v", value, e.Name(), bytes.Contains(b, []byte(value)))
			}
		}
	}
}
