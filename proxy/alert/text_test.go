package alert

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123e6, time.UTC)

// regretted is an event with all there is.
func regretted() Event {
	return Event{
		Kind: Regret, Time: noon, Host: "gate.example", Text: "app.zip was let through", Record: "0R", Channel: "dl", Rule: "channel dl", Name: "app.zip",
		SHA256: verify.Digest{0xab}, Path: "app/ffmpeg.dll", Source: "feed bad", Value: "cd01", Label: "SmoothOperator", Count: 2,
		Clients: []Access{
			{Addr: "10.1.2.3", User: "alice", URL: "https://dl.example/app.zip?k=REDACTED", Time: noon.Add(-time.Hour), Channel: "dl", Rule: "channel dl", Record: "0A", Received: true},
			{Addr: "2001:db8::1", Time: noon.Add(-2 * time.Hour), Channel: "dl", Rule: "release 0Q", Record: "0B"},
		},
	}.finished()
}

func TestCEFSaysWhoGotWhat(t *testing.T) {
	e := regretted()
	got := e.cef("1.2|3", &e.Clients[0], 8000)
	want := `CEF:0|Sallyport|Sallyport|1.2\|3|regret|An update that was let through turns out to be bad|10|` +
		`rt=1795435200123 dvchost=gate.example externalId=0R act=regret fileHash=ab` + strings.Repeat("0", 62) + ` src=10.1.2.3 suser=alice start=1795431600123 outcome=received deviceExternalId=0A cnt=2 ` +
		`cs1Label=channel cs1=dl cs2Label=rule cs2=channel dl cs3Label=source cs3=feed bad cs4Label=listed cs4=cd01 SmoothOperator fname=app.zip filePath=app/ffmpeg.dll ` +
		`request=https://dl.example/app.zip?k\=REDACTED msg=app.zip was let through`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if second := e.cef("1", &e.Clients[1], 8000); !strings.Contains(second, "c6a2Label=Source IPv6 Address c6a2=2001:db8::1") || strings.Contains(second, " src=") || !strings.Contains(second, "cs2=release 0Q") {
		t.Errorf("%s", second)
	}
}

var cefKey = regexp.MustCompile(`(?:^| )([A-Za-z0-9]+)=`)

// parseCEF reads a line as a receiver does: bars end fields of the header unless escaped, an unescaped equals sign ends a key.
func parseCEF(t testing.TB, line string) (header []string, values map[string]string) {
	t.Helper()
	if !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n\x00") {
		t.Fatalf("not one line of text: %q", line)
	}
	rest, field := line, ""
	for len(header) < 7 {
		i := strings.IndexAny(rest, `\|`)
		if i < 0 {
			t.Fatalf("the header ends early: %q", line)
		}
		field += rest[:i]
		if rest[i] == '\\' {
			field, rest = field+rest[i+1:i+2], rest[i+2:]
			continue
		}
		header, field, rest = append(header, field), "", rest[i+1:]
	}
	plain := strings.NewReplacer(`\\`, "\x01", `\=`, "\x02").Replace(rest)
	values = map[string]string{}
	at := cefKey.FindAllStringSubmatchIndex(plain, -1)
	for i, m := range at {
		end := len(plain)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		key := plain[m[2]:m[3]]
		if _, twice := values[key]; twice {
			t.Fatalf("%s stands twice: %q", key, line)
		}
		values[key] = strings.NewReplacer("\x01", `\`, "\x02", "=").Replace(plain[m[1]:end])
	}
	return header, values
}

const hostile = "a|b=c \\d\n\"x\r\n<!channel> `rm` [y](http://evil.example) src=6.6.6.6 act=allow |CEF:0|x|\u202e\x00\xff@here"

func TestHostileNamesInjectNothing(t *testing.T) {
	e := regretted()
	for _, s := range []*string{&e.Text, &e.Name, &e.Path, &e.Source, &e.Value, &e.Label, &e.Reason, &e.By, &e.Channel, &e.Rule} {
		*s = hostile
	}
	e.Clients[0].User, e.Clients[0].URL, e.Clients[0].Rule = hostile, hostile, hostile
	header, values := parseCEF(t, e.cef("1", &e.Clients[0], 8000))
	if header[6] != "10" || values["src"] != "10.1.2.3" || values["act"] != "regret" || values["msg"] == "" {
		t.Errorf("header %q, values %q", header, values)
	}
	text := slackText(&e)
	outside := regexp.MustCompile("`[^`]*`").ReplaceAllString(text, "")
	for _, bad := range []string{"<", "evil", "channel>", "@", "rm", "src"} {
		if strings.Contains(outside, bad) {
			t.Errorf("%q stands outside of any code span in %q", bad, text)
		}
	}
	if strings.ContainsAny(text, "<>\x00\r") || strings.Count(text, "`")%2 != 0 || strings.Contains(text, "\n`") {
		t.Errorf("%q", text)
	}
	b, err := json.Marshal(e)
	var back Event
	if err != nil || json.Unmarshal(b, &back) != nil || back.Name == "" || back.Kind != Regret {
		t.Errorf("%s: %v", b, err)
	}
}

func TestLongEventsLeaveFieldsOutButStayWhole(t *testing.T) {
	e := regretted()
	e.Text, e.Label, e.Clients[0].URL = strings.Repeat("ü=", 3000), strings.Repeat("x", 3000), "https://e.example/"+strings.Repeat("y", 3000)
	s := &syslogger{sink: &Sink{Facility: 20}, host: "a host\nwith|more", version: "1"}
	line := s.message(&e, &e.Clients[0], maxDatagram)
	if len(line) > maxDatagram || !strings.HasPrefix(line, "<162>1 2026-11-23T12:00:00.123Z a_host\\nwith|more sallyport ") {
		t.Errorf("%d bytes: %.120s", len(line), line)
	}
	_, rest, _ := strings.Cut(line, " regret - ")
	if _, values := parseCEF(t, rest); values["src"] != "10.1.2.3" || values["fileHash"] == "" || values["msg"] == "" {
		t.Errorf("%q", values)
	}
}

// Whoever chooses the name, the path and the URL of what is told of cannot choose them so that what it is, and whom it concerns, is left
// out.
func TestLongNamesCrowdNothingOut(t *testing.T) {
	for n := 0; n < 2100; n += 7 {
		e := regretted()
		e.Name, e.Path, e.Clients[0].URL = strings.Repeat("n", n), strings.Repeat("p=", n/2), "https://e.example/"+strings.Repeat("ü", n/3)
		line := e.cef("1", &e.Clients[0], maxDatagram)
		_, values := parseCEF(t, line)
		for _, key := range []string{"externalId", "act", "fileHash", "src", "suser", "deviceExternalId", "cs1", "cs2", "cs3", "cs4"} {
			if values[key] == "" || strings.HasPrefix(key, "cs") && values[key+"Label"] == "" {
				t.Fatalf("%d: %s is left out of %q", n, key, line)
			}
		}
		if len(line) > maxDatagram {
			t.Fatalf("%d: %d bytes", n, len(line))
		}
	}
}

func TestSlackSaysHowManyClientsItLeavesOut(t *testing.T) {
	e := regretted()
	one := e.Clients[0]
	one.Rule, e.Clients, e.Count = strings.Repeat("r", 900), nil, 70
	for range MaxClients {
		e.Clients = append(e.Clients, one)
	}
	text := slackText(&e)
	listed := strings.Count(text, "\nclient: ")
	if listed == 0 || listed == MaxClients || !strings.Contains(text, fmt.Sprintf("\nand %d more", 70-listed)) || !strings.Contains(text, "record: `0R`") {
		t.Errorf("%d are listed: %.300s", listed, text)
	}
}

func FuzzCEF(f *testing.F) {
	f.Add(hostile, "alice", "1")
	f.Add("", "\\", "|")
	f.Fuzz(func(t *testing.T, text, user, version string) {
		e := regretted()
		e.Text, e.Name, e.Clients[0].User = text, text, user
		line := e.cef(version, &e.Clients[0], maxDatagram)
		header, values := parseCEF(t, line)
		if len(line) > maxDatagram || header[4] != "regret" || values["src"] != "10.1.2.3" || values["act"] != "regret" {
			t.Fatalf("%q", line)
		}
		if s := slackText(&e); strings.Count(s, "`")%2 != 0 || strings.ContainsAny(s, "<>") {
			t.Fatalf("%q", s)
		}
	})
}

func TestRecordsBecomeEvents(t *testing.T) {
	digest := verify.Digest{1}
	file := &audit.Artifact{Name: "a.exe", SHA256: digest}
	client := &audit.Client{Addr: "10.0.0.1", User: "bob"}
	decision := func(a policy.Action, observed bool) *audit.Decision {
		return &audit.Decision{Action: a, Observed: observed, Rule: "channel dl", Reasons: []string{"because"}}
	}
	for name, c := range map[string]struct {
		rec  audit.Record
		want Kind
		text string
	}{
		"block":           {audit.Record{Kind: audit.KindDecision, Artifact: file, Client: client, Decision: decision(policy.Block, false)}, Block, "Update blocked: a.exe"},
		"quarantine":      {audit.Record{Kind: audit.KindDecision, Artifact: file, Client: client, Decision: decision(policy.Quarantine, false)}, Quarantine, "because"},
		"allow":           {audit.Record{Kind: audit.KindDecision, Artifact: file, Client: client, Decision: decision(policy.Allow, false)}, "", ""},
		"observed":        {audit.Record{Kind: audit.KindDecision, Artifact: file, Client: client, Decision: decision(policy.Block, true)}, "", ""},
		"ripe":            {audit.Record{Kind: audit.KindDecision, Artifact: file, Decides: "0Q", Decision: decision(policy.Allow, false)}, Ripe, "a.exe"},
		"release":         {audit.Record{Kind: audit.KindRelease, Artifact: file, Release: &audit.Release{SHA256: digest, By: "bob", Reason: "why"}}, Release, "for ever"},
		"break-glass":     {audit.Record{Kind: audit.KindRelease, Artifact: file, Release: &audit.Release{SHA256: digest, By: "bob", Reason: "why", BreakGlass: true, Until: noon, Approvers: []string{"carol"}}}, BreakGlass, "BREAK GLASS: a.exe is released on no channel by bob (agreed: carol), until 2026-11-23 12:00 UTC: why"},
		"asked":           {audit.Record{Kind: audit.KindApproval, Artifact: file, Approval: &audit.Approval{State: audit.ApprovalAsked, Action: "break-glass", By: "bob", People: 2, Ends: noon, SHA256: digest}}, BreakGlass, "takes 2 people"},
		"wrong password":  {audit.Record{Kind: audit.KindApproval, Message: "somebody who said they were bob could not prove it", Approval: &audit.Approval{State: audit.ApprovalRefused, Action: "release", By: "bob"}}, Approval, "could not prove"},
		"done":            {audit.Record{Kind: audit.KindApproval, Approval: &audit.Approval{State: audit.ApprovalDone, Action: "release"}}, "", ""},
		"recall":          {audit.Record{Kind: audit.KindRecall, Recall: &audit.Recall{SHA256: digest, By: "bob", Reason: "bad"}}, Recall, "bob recalls"},
		"lift":            {audit.Record{Kind: audit.KindRecall, Recall: &audit.Recall{SHA256: digest, By: "bob", Reason: "good", Lifted: true}}, Recall, "lifts the recall"},
		"regret":          {audit.Record{Kind: audit.KindRegret, Artifact: file, Message: "so it was", Regret: &audit.Regret{Source: "feed bad", Count: 3}}, Regret, "so it was"},
		"refused policy":  {audit.Record{Kind: audit.KindPolicy, Message: "refused p.yaml: p.yaml:1:1: wrong"}, Policy, "wrong"},
		"reloaded policy": {audit.Record{Kind: audit.KindPolicy, Message: "reloaded p.yaml, sha256:00"}, Loaded, "reloaded"},
		"tunnel":          {audit.Record{Kind: audit.KindTunnel, Tunnel: &audit.Tunnel{}}, "", ""},
	} {
		c.rec.Time = noon
		e, ok := Of(c.rec)
		if ok != (c.want != "") || ok && (e.Kind != c.want || !strings.Contains(e.Text, c.text) || e.Severity != c.want.Severity() || e.V != 1) {
			t.Errorf("%s: %t, %+v", name, ok, e)
		}
	}
	for _, k := range Kinds {
		if headlines[k] == "" || severities[k] == 0 {
			t.Errorf("%s has no headline or severity", k)
		}
	}
}
