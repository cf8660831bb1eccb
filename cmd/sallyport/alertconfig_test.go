package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/proxy/alert"
)

func TestAlertsOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("url", "https://hooks.example.com/T0PS3CRET\n")
	write("token", "t0k3n\n")
	c, err := loadConfig(write("good.yaml", `approvers: {htpasswd: approvers}
alerts:
- {name: chat, webhook_file: url, format: slack, token_file: token, events: [regret, ripe], rate: 5, queue: 7}
- {name: siem, syslog: "tls://siem.example.com:6514", facility: local7, events: [all]}
- {name: here, webhook: "http://127.0.0.1:9/x"}
`))
	if err != nil {
		t.Fatal(err)
	}
	sinks, err := alertSinks(c)
	if err != nil || len(sinks) != 3 || c.Approvers.Htpasswd != filepath.Join(dir, "approvers") {
		t.Fatalf("%d sinks, %v", len(sinks), err)
	}
	if s := sinks[0]; s.Webhook != "https://hooks.example.com/T0PS3CRET" || !s.Slack || s.Token != "t0k3n" || len(s.Events) != 2 || s.Rate != 5 || s.Queue != 7 {
		t.Errorf("%+v", s)
	}
	if s := sinks[1]; s.Facility != 23 || len(s.Events) != len(alert.Kinds) || sinks[2].Facility != 20 {
		t.Errorf("%+v", s)
	}
	_, err = loadConfig(write("bad.yaml", `alerts:
- {name: a, webhook: "http://siem.example.com/T0PS3CRET"}
- {name: a, syslog: "siem:514", facility: local8}
- {webhook: "https://x.example/T0PS3CRET", format: xml, events: [regert]}
- {name: b, syslog: "udp://x:514", webhook: "https://x.example/"}
- {name: c}
- {name: d, syslog: "udp://x:514", format: slack}
`))
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{
		"bad.yaml:2:22: alerts[0].webhook: goes over plain http to another machine", "alerts[1].syslog: begins with udp://", `alerts[1].facility: "local8" is not known`,
		"alerts[1].name: another one is called so", `alerts[2].format: "xml" is not known`, `alerts[2].events[0]: "regert" is not known; the nearest is "regret"`,
		"alerts[2]: needs a name", "alerts[3]: needs one of webhook, webhook_file and syslog", "alerts[4]: needs one of", "alerts[5]: format and token_file are for webhooks",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "T0PS3CRET") {
		t.Errorf("the error tells a secret: %v", err)
	}
}
