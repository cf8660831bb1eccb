package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/sallyport-project/sallyport/proxy/alert"
)

type approversConfig struct {
	// Htpasswd is a file of user:bcrypt-hash lines: the people whose word counts where the policy asks for several. "" is nobody.
	Htpasswd string `yaml:"htpasswd"`
}

// alertConfig is one place to which alerts go.
type alertConfig struct {
	// Name is what the log and the metrics call it: a-z, digits, dot, dash and underscore.
	Name string `yaml:"name"`
	// Webhook is the URL that events are posted to, https unless it is this machine. It is a secret, and never logged.
	Webhook webhookURL `yaml:"webhook"`
	// WebhookFile is a file with the URL instead.
	WebhookFile string `yaml:"webhook_file"`
	// Format is json (default), or slack for text as Slack's incoming webhooks take it.
	Format alertFormat `yaml:"format"`
	// TokenFile is a file with a token that is sent as "Authorization: Bearer".
	TokenFile string `yaml:"token_file"`
	// Syslog is the address of a syslog server: udp://, tcp:// or tls:// with host and port, or unix:///path.
	Syslog syslogAddress `yaml:"syslog"`
	// Facility is the syslog facility: kern, user, ..., local7; default local4.
	Facility facility `yaml:"facility"`
	// CA is a PEM file with the roots that the server's certificate may chain to; "" means the system's and upstream.roots.
	CA string `yaml:"ca"`
	// Events are the kinds that are sent; default regret, recall, break-glass and policy. "all" is every kind.
	Events []eventKind `yaml:"events"`
	// Rate is how many events of one kind are sent in a minute; default 60. What is over it is counted, and told of together.
	Rate int `yaml:"rate"`
	// Queue is how many events wait on disk while it cannot be reached; default 1000.
	Queue int `yaml:"queue"`
}

type webhookURL string

// UnmarshalText implements encoding.TextUnmarshaler. The URL, which is a secret, stays out of the error.
func (w *webhookURL) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	*w = webhookURL(text)
	return alert.CheckWebhook(string(text))
}

type syslogAddress string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *syslogAddress) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	*s = syslogAddress(text)
	return alert.CheckSyslog(string(text))
}

type alertFormat string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *alertFormat) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case "json", "slack":
		*f = alertFormat(s)
		return nil
	default:
		return oneOf(s, "json", "slack")
	}
}

type eventKind string

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *eventKind) UnmarshalText(text []byte) error {
	if string(text) == "all" || alert.Kind(text).Known() {
		*k = eventKind(text)
		return nil
	}
	names := []string{"all"}
	for _, k := range alert.Kinds {
		names = append(names, string(k))
	}
	return oneOf(string(text), names...)
}

// facility is the name of a syslog facility, RFC 5424 section 6.2.1.
type facility string

var facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *facility) UnmarshalText(text []byte) error {
	if facility(text).number() < 0 {
		return oneOf(string(text), append(append([]string{}, facilities...), "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")...)
	}
	*f = facility(text)
	return nil
}

// number returns the facility's number; -1 if there is none of that name.
func (f facility) number() int {
	if f == "" {
		return 20
	}
	for i, name := range facilities {
		if name == string(f) {
			return i
		}
	}
	var n int
	if _, err := fmt.Sscanf(string(f), "local%d", &n); err == nil && n >= 0 && n <= 7 && string(f) == "local"+strconv.Itoa(n) {
		return 16 + n
	}
	return -1
}

var sinkName = regexp.MustCompile(`^[a-z0-9_][a-z0-9._-]{0,63}$`)

// checkAlerts holds what no single value of the section alerts can tell.
func (c *config) checkAlerts(p *problems) {
	seen := map[string]bool{}
	for i := range c.Alerts {
		a, at := &c.Alerts[i], fmt.Sprintf("alerts[%d]", i)
		if err := a.check(); err != nil {
			p.addAt(p.within(at), at+": "+err.Error())
		}
		if seen[a.Name] && a.Name != "" {
			p.add(at+".name", "another one is called so, too")
		}
		seen[a.Name] = true
	}
}

// within returns the first value of a sink that the file gives, so that a message about the sink as a whole has a place.
func (p *problems) within(at string) *yaml.Node {
	var first *yaml.Node
	for path, n := range p.at {
		if strings.HasPrefix(path, at+".") && (first == nil || n.Line < first.Line || n.Line == first.Line && n.Column < first.Column) {
			first = n
		}
	}
	return first
}

func (a *alertConfig) check() error {
	places := 0
	for _, set := range []bool{a.Webhook != "", a.WebhookFile != "", a.Syslog != ""} {
		if set {
			places++
		}
	}
	switch {
	case !sinkName.MatchString(a.Name):
		return errors.New("needs a name of a-z, 0-9, dot, dash and underscore, for the log and the metrics")
	case places != 1:
		return errors.New("needs one of webhook, webhook_file and syslog")
	case a.Syslog != "" && (a.Format != "" || a.TokenFile != ""):
		return errors.New("format and token_file are for webhooks; a syslog server gets CEF")
	case a.Syslog == "" && a.Facility != "":
		return errors.New("facility is for syslog servers")
	case a.Rate < 0 || a.Rate > 10000 || a.Queue < 0 || a.Queue > 100000:
		return errors.New("rate is at most 10000 a minute, and queue at most 100000 events")
	}
	a.spell()
	return nil
}

// spell writes "all" out.
func (a *alertConfig) spell() {
	for _, k := range a.Events {
		if k == "all" {
			a.Events = nil
			for _, k := range alert.Kinds {
				a.Events = append(a.Events, eventKind(k))
			}
			return
		}
	}
}
