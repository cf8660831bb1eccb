package ledger

import (
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// event is what the ledger takes from one record.
type event struct {
	id       string
	at       int64         // what the clock said, microseconds since 1970
	sha256   verify.Digest // of the artifact that was judged; zero: the record is no decision
	name     string
	url      string // as recorded; empty where nothing can be compared by it
	began    []byte // what stands for the address that was asked for first; nil if there is none
	client   string
	private  bool // others may be given something else without harm
	wentOut  bool // the bytes were let go: allowed, or observed only
	allowed  bool // by a decision that counts
	editions []policy.Edition
	byHand   []bool // for each edition
	report   verify.Digest
	contents contents
}

// eventOf reads a record as the log gives it back.
func eventOf(r *audit.Record) event {
	e := event{id: r.ID, at: r.Time.UnixMicro()}
	if r.Kind != audit.KindDecision || r.Decision == nil || r.Artifact == nil || r.Artifact.SHA256.IsZero() {
		return e
	}
	d := r.Decision
	e.sha256, e.name, e.report = r.Artifact.SHA256, printable.Text(r.Artifact.Name, 1024), r.Report
	e.allowed = d.Action == policy.Allow && !d.Observed
	e.wentOut = d.Action == policy.Allow || d.Observed
	if r.Client != nil {
		e.client = ClientName(r.Client.Addr, r.Client.User)
	}
	if r.Request != nil && comparable(r.Request.URL) {
		e.url = r.Request.URL
	}
	e.editions = audit.BoundedEditions(r.Editions)
	e.began = began(r.Began)
	for _, n := range e.editions {
		e.byHand = append(e.byHand, byHand(r, n.Channel))
	}
	e.private = r.Private
	if e.wentOut {
		e.contents = recordedContents(r.Contents)
	}
	return e
}

// appended reads a record that was just appended, which is not bounded and redacted as in the log yet.
func appended(r audit.Record) event {
	if r.Request != nil {
		r.Request = &audit.Request{Method: r.Request.Method, URL: audit.RecordedURL(r.Request.URL)}
	}
	r.Time = r.Time.UTC().Truncate(time.Microsecond)
	return eventOf(&r)
}

// byHand reports whether an exception or a release let the artifact through on a channel, rather than what the channel requires.
// The rule of an allowing decision names every channel whose requirements all held.
func byHand(r *audit.Record, channel string) bool {
	names, judged := strings.CutPrefix(r.Decision.Rule, "channel ")
	if !judged {
		return true
	}
	all := r.Channel == names || printable.Text("channel "+r.Channel, 160) == r.Decision.Rule
	return !all && !slices.Contains(strings.Split(names, "+"), channel)
}
