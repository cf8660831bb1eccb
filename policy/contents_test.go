package policy

import (
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func TestContents(t *testing.T) {
	at := func(path string, f verify.Finding) verify.Finding {
		f.Subject = path
		return f
	}
	good, google := signedAs("Microsoft Corporation"), signedAs("Google LLC")
	absent := verify.Finding{Method: "authenticode", Status: verify.Absent, Code: "authenticode/unsigned", Detail: "no signature"}
	foreign := signedAs("Somebody")
	foreign.Status = verify.Untrusted
	odd := verify.Finding{Method: "anomaly", Status: verify.Untrusted, Code: "anomaly/polyglot", Detail: "it is two things"}
	unopened := verify.Finding{Method: "unpack", Status: verify.Inconclusive, Code: "unpack/not-looked-into", Detail: "It is encrypted."}
	limit := verify.Finding{Method: "unpack", Status: verify.Inconclusive, Code: "unpack/limit", Detail: "too much"}
	for _, c := range []struct {
		name, require string
		findings      []verify.Finding
		change        func(*verify.Contents)
		want          Action
		why           string // part of the reasons
	}{
		{"each is signed", "{contents: {signed_by: [microsoft, google]}}", []verify.Finding{at("a.dll", good), at("b.dll", google)}, nil, Allow, "each of 2 executables inside is signed by any of microsoft"},
		{"one is not", "{contents: {signed_by: [microsoft]}}", []verify.Finding{at("a.dll", good), at("b.dll", absent)}, nil, Quarantine, "1 executable is not signed by microsoft"},
		{"which one", "{contents: {signed_by: [microsoft]}}", []verify.Finding{at("x/b.dll", absent)}, nil, Quarantine, "x/b.dll: authenticode/unsigned (no signature)"},
		{"one is signed by somebody else", "{contents: {signed_by: [microsoft]}}", []verify.Finding{at("b.dll", google)}, nil, Quarantine, `b.dll: signed by "Google LLC"`},
		{"one is signed by nobody whom the roots vouch for", "{contents: {signed_by: [microsoft]}}", []verify.Finding{at("b.dll", foreign)}, nil, Quarantine, "b.dll"},
		{"one is wrong though it is signed", "{contents: {signed_by: [microsoft]}}", []verify.Finding{at("a.dll", good), at("a.dll", invalid("authenticode/padding-data"))}, nil, Quarantine, "a.dll: authenticode/padding-data"},
		{"not, and one is wrong", "{not: {contents: {signed_by: [microsoft]}}}", []verify.Finding{at("a.dll", invalid("authenticode/padding-data"))}, nil, Quarantine, ""},
		{"not, and one is not signed", "{not: {contents: {signed_by: [microsoft]}}}", []verify.Finding{at("a.dll", absent)}, nil, Allow, ""},
		{"the outer signature is no inner one", "{contents: {signed_by: [microsoft]}}", []verify.Finding{good, at("a.dll", absent)}, nil, Quarantine, ""},
		{"an inner one is no outer one", "{signed_by: [microsoft]}, {contents: {signed_by: [microsoft]}}", []verify.Finding{at("a.dll", good)}, nil, Quarantine, "signed_by microsoft: nothing was found out"},
		{"a signature vouches for its own file only", "{contents: {signed_by: [microsoft]}}", []verify.Finding{at("a.dll", good), at("a.dll#2", absent)}, nil, Quarantine, "a.dll#2"},
		{"excused", "{contents: {signed_by: [microsoft], allow_unsigned: ['data/**']}}", []verify.Finding{at("a.dll", good), at("data/x.sh", absent)}, nil, Allow, "or is one of 1 that need no signature"},
		{"excused, but signed by somebody else", "{contents: {signed_by: [microsoft], allow_unsigned: ['data/**']}}", []verify.Finding{at("data/x.sh", foreign)}, nil, Quarantine, ""},
		{"excused, but wrong", "{contents: {signed_by: [microsoft], allow_unsigned: ['data/**']}}", []verify.Finding{at("data/x.sh", invalid("authenticode/digest-mismatch"))}, nil, Quarantine, ""},
		{"threshold", "{contents: {signed_by: {anchors: [microsoft, google], threshold: 2}}}", []verify.Finding{at("a.dll", good)}, nil, Quarantine, ""},
		{"something stands out", "{contents: {signed_by: [microsoft]}}", []verify.Finding{at("a.dll", good), at("a.dll", odd)}, nil, Allow, ""},
		{"something stands out, strict", "{contents: {signed_by: [microsoft], strict: true}}", []verify.Finding{at("a.dll", good), at("a.dll", odd)}, nil, Quarantine, "strict, and something stands out: a.dll: anomaly/polyglot"},
		{"something outside stands out, strict", "{contents: {signed_by: [microsoft], strict: true}}", []verify.Finding{odd, at("a.dll", good)}, nil, Quarantine, "the file itself: anomaly/polyglot"},
		{"something was not looked into", "{contents: {signed_by: [microsoft]}}", []verify.Finding{at("a.dll", good), at("b.zip", unopened)}, nil, Quarantine, "it could not be told what is inside: b.zip"},
		{"that is allowed", "{contents: {signed_by: [microsoft], unread: allow}}", []verify.Finding{at("a.dll", good), at("b.zip", unopened)},
			func(c *verify.Contents) { c.Inner, c.Executables = c.Inner[:1], 1 }, Allow, ""},
		{"the update was not looked into", "{contents: {signed_by: [microsoft]}}", []verify.Finding{unopened}, nil, Quarantine, "the file itself: unpack/not-looked-into"},
		{"a limit", "{contents: {signed_by: [microsoft], unread: allow}}", []verify.Finding{limit}, nil, Quarantine, "unpack/limit"},
		{"a limit is nothing to who signed", "{signed_by: [microsoft]}", []verify.Finding{good, limit}, nil, Allow, ""},
		{"more was not looked into than findings say", "{contents: {signed_by: [microsoft], unread: allow}}", []verify.Finding{at("a.dll", good)},
			func(c *verify.Contents) { c.Unread = 1 }, Quarantine, "1 entry or container not looked into"},
		{"nothing is inside", "{contents: {signed_by: [microsoft]}}", nil, nil, Allow, "no executable is inside"},
		{"not opened", "{contents: {signed_by: [microsoft]}}", nil, func(c *verify.Contents) { *c = verify.Contents{} }, Allow, ""},
		{"too many files", "{contents: {signed_by: [microsoft], limits: {files: 1}}}", []verify.Finding{at("a.dll", good), at("b.dll", good)}, nil, Quarantine, "the limit is 1 files, there are 2"},
		{"too many bytes", "{contents: {signed_by: [microsoft], limits: {bytes: 1KiB}}}", nil, func(c *verify.Contents) { c.Bytes = 1025 }, Quarantine, "unpacked"},
		{"too deep", "{contents: {signed_by: [microsoft], limits: {depth: 1}}}", nil, func(c *verify.Contents) { c.Depth = 2 }, Quarantine, "in one another"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := withRequirement(t, c.require)
			f := facts(t, "https://v.example/x", c.findings...)
			f.Report.Contents = testContents(f.Report.Findings)
			if c.change != nil {
				c.change(f.Report.Contents)
			}
			d := p.Decide(f)
			if d.Action != c.want || !strings.Contains(strings.Join(d.Reasons, "\n"), c.why) {
				t.Errorf("%s: %q want %s and %q", d.Action, d.Reasons, c.want, c.why)
			}
		})
	}
}

func TestContentsNeedsALook(t *testing.T) {
	p := withRequirement(t, "{contents: {signed_by: [microsoft]}}")
	f := facts(t, "https://v.example/x")
	if d := p.Decide(f); d.Action != Quarantine || !strings.Contains(d.Reasons[0], "was not looked into") {
		t.Errorf("%+v", d)
	}
	f.Update.Role = verify.Metadata
	if d := p.Decide(f); d.Action != Allow {
		t.Errorf("metadata: %+v", d)
	}
	f.Report.Contents = &verify.Contents{Files: 1, Containers: 1}
	if d := p.Decide(f); d.Action != Allow {
		t.Errorf("a compressed index: %+v", d)
	}
	f.Report.Contents = &verify.Contents{Files: 1, Executables: 1, Inner: []verify.Inner{{Path: "a.exe", Format: "pe", SHA256: verify.Digest{1}}}}
	if d := p.Decide(f); d.Action != Quarantine {
		t.Errorf("a program that lies where metadata does: %+v", d)
	}
	f.Report.Contents = &verify.Contents{Files: 1, Unread: 1}
	if d := p.Decide(f); d.Action != Quarantine {
		t.Errorf("something unread that lies where metadata does: %+v", d)
	}
	if !p.Plan(f.Request).Contents {
		t.Error("the plan does not say that the update has to be opened")
	}
	if withRequirement(t, "{signed_by: [microsoft]}").Plan(f.Request).Contents {
		t.Error("the plan opens what nobody asks for")
	}
}

// TestDenyLooksInside: what is denied is denied inside an update too.
func TestDenyLooksInside(t *testing.T) {
	p := mustParse(t, `version: 1
anchors:
  vendor: {authenticode: {organization: Vendor}}
  stolen: {authenticode: {organization: Stolen}}
deny:
- {name: known, sha256: [59e1edf4d82fae4978e97512b0331b7eb21dd4b838b850ba46794d9c7a2c0983]}
- {name: stolen, signed_by: [stolen]}
channels:
- {name: c, hosts: [v.example], require: [{signed_by: [vendor]}]}
`)
	f := facts(t, "https://v.example/x", signedAs("Vendor"))
	if !p.Plan(f.Request).Contents {
		t.Error("the update is not opened although a rule is about signers")
	}
	known, err := verify.ParseDigest("59e1edf4d82fae4978e97512b0331b7eb21dd4b838b850ba46794d9c7a2c0983")
	if err != nil {
		t.Fatal(err)
	}
	f.Report.Contents = &verify.Contents{Inner: []verify.Inner{{Path: "a.dll", Format: "pe", SHA256: verify.Digest{1}}}}
	if d := p.Decide(f); d.Action != Allow {
		t.Errorf("a file that nobody denies: %+v", d)
	}
	f.Report.Contents.Inner = append(f.Report.Contents.Inner, verify.Inner{Path: "disk1.cab/ffmpeg.dll", Format: "pe", SHA256: known})
	if d := p.Decide(f); d.Action != Block || d.Rule != "deny known" || !strings.Contains(strings.Join(d.Reasons, ""), "disk1.cab/ffmpeg.dll") {
		t.Errorf("a file known by its digest: %+v", d)
	}
	f.Report.Contents.Inner = nil
	inner := signedAs("Stolen")
	inner.Subject = "a.dll"
	f.Report.Findings = append(f.Report.Findings, inner)
	if d := p.Decide(f); d.Action != Block || d.Rule != "deny stolen" {
		t.Errorf("a file signed with what was stolen: %+v", d)
	}
}

// TestWhatDoesNotHoldComesFirst: a refusal begins with what is missing, since status lines are short.
func TestWhatDoesNotHoldComesFirst(t *testing.T) {
	p := withRequirement(t, "{signed_by: [microsoft]}, {contents: {signed_by: [google], strict: true, allow_unsigned: [a/*], limits: {files: 9, bytes: 1MiB, depth: 2}, unread: allow}}")
	f := facts(t, "https://v.example/x", signedAs("Microsoft Corporation"))
	f.Report.Contents = &verify.Contents{Executables: 1, Inner: []verify.Inner{{Path: "b.dll", Format: "pe", SHA256: verify.Digest{1}}}}
	d := p.Decide(f)
	if d.Action != Quarantine || len(d.Reasons) != 2 || !strings.HasPrefix(d.Reasons[0], "contents: ") || !strings.HasPrefix(d.Reasons[1], "signed_by microsoft") {
		t.Errorf("%+v", d)
	}
	explained := strings.Join(p.Explain(f.Request), "\n")
	for _, want := range []string{"except that a/* may be unsigned", "nothing may stand out", "cannot be looked into does not count", "at most 9 files", "at most 1.0 MiB unpacked", "at most 2 containers"} {
		if !strings.Contains(explained, want) {
			t.Errorf("%q is not explained:\n%s", want, explained)
		}
	}
}
