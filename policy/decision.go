package policy

import (
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Action is what happens to an artifact.
type Action uint8

const (
	Block      Action = iota // refused; the bytes are discarded
	Quarantine               // refused; the bytes are kept for an auditor
	Allow                    // released
)

var actionNames = [...]string{"block", "quarantine", "allow"}

// String returns the action as policies and records spell it.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "block"
}

// MarshalText implements encoding.TextMarshaler as String does.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Action) UnmarshalText(b []byte) error {
	for i, name := range actionNames {
		if name == string(b) {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("unknown action %q", b)
}

// Delivery is how a client waits for the verdict.
type Delivery uint8

const (
	Hold   Delivery = iota // nothing is sent before the verdict; a 503 with Retry-After once HoldMax has passed
	Retry                  // a 503 with Retry-After at once
	Stream                 // bytes flow, the last part is withheld until the verdict
)

// HostAction is what happens to a connection to a host.
type HostAction uint8

const (
	DenyHost    HostAction = iota // refused
	InspectHost                   // TLS is ended here and the requests are looked at
	TunnelHost                    // bytes are passed through unseen
)

// Client is who asks.
type Client struct {
	Addr netip.Addr // its address, unmapped
	User string     // the proxy user, if it has authenticated
}

// Request is what Plan and Decide know of a request.
type Request struct {
	Client  Client
	Method  string
	URL     *url.URL  // absolute
	Carried []Carried // channels that a redirect carries to this very URL for this client
}

// Carried is a channel that a redirect brought along.
type Carried struct {
	Scope string // of the Plan whose response redirected here
}

// Refusal is a request that is refused before anything is fetched.
type Refusal struct {
	Ambiguous bool   // the URL's path could mean two things: 400, else 403
	Rule      string // "channel NAME", "defaults.hosts", ...
	Reason    string // one sentence for a person
}

// Plan is what the policy wants done for one request, before anything is fetched.
type Plan struct {
	Refusal *Refusal // not nil: refuse

	// Scope names the channels that judge this request, joined by "+" (one, or one and those carried by redirects).
	// Releases are given per scope. "" is no channel: what looks like an update is judged by defaults.unmatched.
	Scope string
	// HoldAll says that every 2xx body is held; otherwise passive types (HTML, images, ...) stream through. It is
	// set where a channel names paths, and where a redirect carried a channel here.
	HoldAll  bool
	Inspect  bool // false: forward without holding (plain HTTP to a host that is not inspected)
	Delivery Delivery
	HoldMax  time.Duration
	Observe  bool // decide and record, stop nothing but deny rules
	// Sidecars says that a channel requires what only evidence published beside the update can prove (a signature or
	// an index on the update's own origin), or at the places that its anchors name, so that it may be asked for. Otherwise
	// nothing but the update is fetched.
	Sidecars bool
	// Anchors are the names, sorted, of the anchors that count: those that what the channels require and the deny rules refer to, and the
	// openpgp anchors of other channels on the host, whose indexes teach what packages rest on. Trust may be narrowed to them
	// (verify.Trust.Only) without changing any decision. The caller does not change the list.
	Anchors []string
	// Contents says that a channel requires something of what is inside the update, so that it has to be opened.
	Contents bool
	// Feeds are the names, sorted, of the feeds that the channels' requirements and the deny rules look at. The caller does not
	// change the list.
	Feeds []string
	// Lookups are the names, sorted, of the services that are asked about the update; Scanners of the scanners that look at its
	// content, and at what is inside where ScanInside says so.
	Lookups    []string
	Scanners   []string
	ScanInside bool
	// SecondLook says that the origin is asked a second time, on the gate's own behalf, and the answers compared.
	SecondLook bool
}

// Update is what Decide knows of the artifact.
type Update struct {
	Name   string
	Format verify.Format
	Role   verify.Role
	Size   int64
	SHA256 verify.Digest
}

// Release is a standing permission given by hand.
type Release struct {
	Record string        // the id of the log record that gave it
	SHA256 verify.Digest // exactly this artifact
	Scope  string        // on exactly this scope
	Until  time.Time     // not after; zero: no end
	// BreakGlass says that it was given in an emergency.
	BreakGlass bool
}

// Facts is everything Decide looks at.
type Facts struct {
	Request  Request
	Update   Update
	Report   verify.Report
	Releases []Release
	// Reputation is what the feeds and look-ups say that the Plan names.
	Reputation Reputation
	History    History
	Changes    []Changes       // against the release before, for each channel that judges and has one
	Scans      map[string]Scan // of the scanners that the Plan names, by name
	Fixes      []Fix           // what the update repairs, by the feeds that the Plan names
	Recalls    []Recall        // that name the update or anything known to be inside
	Now        time.Time

	memory *Memory // of the report; nil: none
}

// Decision is what is to be done with an artifact, and why.
type Decision struct {
	Action   Action        // what is done, or in observe mode would have been done
	Observed bool          // observe mode: the bytes are delivered whatever Action says, and nothing is released
	Channel  string        // the Plan's Scope
	Rule     string        // what decided: "deny 3CX March 2023", "exception INC-1234", "release ID", "channel debian", "defaults.unmatched"
	Reasons  []string      // one for each requirement that was looked at, in words, with the numbers
	Policy   verify.Digest // of the policy file that decided
	// Ripe is when the update would be let through if nothing but time passes: all that it lacks is age. Zero: never.
	Ripe time.Time
}
