// Package alert tells people and their systems at once of what should not wait until somebody reads the log.
//
//	Event   something that has happened, made from a record of the log
//	Sink    where events go: a webhook (JSON, or text for Slack), or a syslog server (CEF in RFC 5424)
//	Limit   what keeps one client, or one list, from drowning a sink
//	Queue   what waits for a sink that cannot be reached, on disk
//
// The log is the account of what happened; an alert that gets lost is counted, and missing nowhere else. Most text in an event comes
// from strangers: each way of writing it down escapes it in its own way.
//
// Specifications: RFC 5424 (syslog), RFC 5425 (over TLS), RFC 6587 section 3.4.1 (over TCP), RFC 5426 (over UDP), ArcSight Common Event
// Format, version 25 (CEF:0).
package alert

import (
	"slices"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Kind is what has happened.
type Kind string

// The kinds of events, the gravest first.
const (
	Regret     Kind = "regret"      // something that was let through turns out to be bad
	BreakGlass Kind = "break-glass" // something is let through in an emergency, or somebody wants it to be
	Recall     Kind = "recall"      // bytes that were let through are not any more, or are again
	Block      Kind = "block"       // an update was refused
	Policy     Kind = "policy"      // a policy was refused, and the one before stays in force
	Quarantine Kind = "quarantine"  // an update was held back
	Approval   Kind = "approval"    // somebody wants, or agrees to, what takes several people, or could not prove who they are
	Feed       Kind = "feed"        // a list cannot be had, or has become stale
	CA         Kind = "ca"          // the interception CA was replaced
	Release    Kind = "release"     // an update was let through by hand
	Loaded     Kind = "loaded"      // another policy came into force
	Ripe       Kind = "ripe"        // an update was let through because it has become old enough
)

// Kinds are all kinds of events, the gravest first.
var Kinds = []Kind{Regret, BreakGlass, Recall, Block, Policy, Quarantine, Approval, Feed, CA, Release, Loaded, Ripe}

// Default is what a sink is told of that names no kinds.
var Default = []Kind{Regret, Recall, BreakGlass, Policy}

// headlines say in a few words of ours what has happened.
var headlines = map[Kind]string{
	Regret: "An update that was let through turns out to be bad", BreakGlass: "Break-glass release", Recall: "Recall",
	Block: "Update blocked", Policy: "Policy refused", Quarantine: "Update quarantined", Approval: "Approval", Feed: "Feed in trouble",
	CA: "CA replaced", Release: "Update released by hand", Loaded: "Policy loaded", Ripe: "Update released after its hold",
}

// severities are those of CEF, from 0 to 10.
var severities = map[Kind]int{
	Regret: 10, BreakGlass: 8, Recall: 8, Block: 7, Policy: 7, Quarantine: 5, Approval: 5, Feed: 5, CA: 5, Release: 4, Loaded: 3, Ripe: 2,
}

// Known reports whether there is such a kind.
func (k Kind) Known() bool { return slices.Contains(Kinds, k) }

// Severity returns how grave the kind is, from 0 to 10 as CEF has it.
func (k Kind) Severity() int { return severities[k] }

// Event is something that has happened. Its JSON is what webhooks get; fields are only ever added.
type Event struct {
	V        int       `json:"v"` // 1
	Kind     Kind      `json:"event"`
	Time     time.Time `json:"time"`
	Severity int       `json:"severity"`         // 0 to 10, as CEF has it
	Host     string    `json:"host,omitempty"`   // the gateway's name
	Text     string    `json:"text"`             // one sentence for a person
	Record   string    `json:"record,omitempty"` // id of the log record that says it all

	Channel   string        `json:"channel,omitempty"`
	Rule      string        `json:"rule,omitempty"`
	Name      string        `json:"name,omitempty"` // of the artifact
	SHA256    verify.Digest `json:"sha256,omitzero"`
	Path      string        `json:"path,omitempty"`   // of the inner file that is meant
	Source    string        `json:"source,omitempty"` // who says so: "feed NAME", or a person
	Value     string        `json:"value,omitempty"`  // what a feed lists, such as a digest
	Label     string        `json:"label,omitempty"`  // what the feed says of it
	Reason    string        `json:"reason,omitempty"`
	By        string        `json:"by,omitempty"` // who did it
	Approvers []string      `json:"approvers,omitempty"`
	Until     time.Time     `json:"until,omitzero"`

	Clients []Access `json:"clients,omitempty"` // who got it, or asked for it; the latest first
	Count   int      `json:"count,omitempty"`   // how many accesses there were, if more than are listed
	// HeldBack is how many events of this kind were not sent since the last one was.
	HeldBack int `json:"held_back,omitempty"`
}

// Access is one client's request.
type Access struct {
	Addr     string    `json:"addr,omitempty"`
	User     string    `json:"user,omitempty"`
	URL      string    `json:"url,omitempty"` // the values of its query redacted
	Time     time.Time `json:"time"`
	Channel  string    `json:"channel,omitempty"`
	Rule     string    `json:"rule,omitempty"`   // under which it was decided
	Record   string    `json:"record,omitempty"` // of the decision
	Received bool      `json:"received"`         // all of it was sent
}

// MaxClients is how many accesses an event lists.
const MaxClients = 50

// key is what makes two events the same news.
func (e *Event) key() string {
	who := ""
	if (e.Kind == Block || e.Kind == Quarantine) && len(e.Clients) > 0 {
		who = e.Clients[0].Addr + "\x00" + e.Clients[0].User
	}
	return string(e.Kind) + "\x00" + who + "\x00" + e.Rule + "\x00" + e.SHA256.String() + "\x00" + e.Path + "\x00" + e.Source + "\x00" + e.Value + "\x00" + e.news()
}

// news is what else tells events of a kind apart. A regret, or what somebody has done, is news whenever there is a record of it: who
// got something that is bad is told of once only.
func (e *Event) news() string {
	switch {
	case e.Kind == Regret, e.Kind == Release, e.Kind == Recall:
		return e.Record
	case e.SHA256.IsZero(), e.Kind == BreakGlass, e.Kind == Approval:
		return e.Text
	}
	return ""
}

// client is whose fault a flood of such events would be; "" for those that no client brings about.
func (e *Event) client() string {
	if (e.Kind == Block || e.Kind == Quarantine || e.Kind == Ripe) && len(e.Clients) > 0 {
		return e.Clients[0].Addr
	}
	return ""
}
