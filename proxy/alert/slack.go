package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// slackMessage is what incoming webhooks of Slack, and of what imitates it, take.
type slackMessage struct {
	Text string `json:"text"`
}

// maxSlack is how much text a message has, in bytes; Slack cuts at 40,000 characters.
const maxSlack = 12000

// slackText writes an event in Slack's markup. Whatever strangers may have chosen stands in a code span, in which neither links,
// mentions, images nor markup mean anything, there or in what imitates Slack.
func slackText(e *Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%s* (severity %d)", headlines[e.Kind], e.Severity)
	line := func(word, value string) {
		if value != "" && b.Len() < maxSlack {
			fmt.Fprintf(&b, "\n%s: %s", word, code(value))
		}
	}
	line("what", e.Text)
	line("file", e.Name)
	if !e.SHA256.IsZero() {
		line("sha256", e.SHA256.String())
	}
	line("inside it", e.Path)
	line("channel", e.Channel)
	line("rule", e.Rule)
	line("source", e.Source)
	line("listed as", e.Label)
	if !e.Until.IsZero() {
		line("until", e.Until.UTC().Format(time.RFC3339))
	}
	listed := 0
	for _, c := range e.Clients {
		if b.Len() < maxSlack {
			line("client", c.line())
			listed++
		}
	}
	if more := max(e.Count, len(e.Clients)) - listed; more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	if e.Record != "" { // it has what is too much for a message
		fmt.Fprintf(&b, "\nrecord: %s", code(e.Record))
	}
	line("gateway", e.Host)
	if e.HeldBack > 0 {
		fmt.Fprintf(&b, "\n%d more alerts of this kind were held back before this one", e.HeldBack)
	}
	return b.String()
}

// Who names the client; what was deleted from the log has no name.
func (a *Access) Who() string {
	switch {
	case a.Addr == "" && a.User == "":
		return "(deleted)"
	case a.User == "":
		return a.Addr
	}
	return a.User + " at " + a.Addr
}

// line says who an access was by, when, under which rule.
func (a *Access) line() string {
	s := a.Who() + ", " + a.Time.UTC().Format("2006-01-02 15:04:05 UTC")
	if a.Rule != "" {
		s += ", by " + a.Rule
	}
	if a.Received {
		s += ", received"
	}
	return s
}

var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'")

// code writes foreign text as a code span.
func code(s string) string {
	return "`" + slackEscapes.Replace(printable.Text(s, 1000)) + "`"
}
