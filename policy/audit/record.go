package audit

import (
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// Kind is what a record tells of.
type Kind string

const (
	KindDecision Kind = "decision" // an artifact was judged
	KindDelivery Kind = "delivery" // a response with an artifact went out, and how it ended
	KindRelease  Kind = "release"  // an operator let an artifact through by hand
	KindReject   Kind = "reject"   // an operator threw a quarantined artifact away
	KindPolicy   Kind = "policy"   // a policy was loaded, or refused to load
	KindTunnel   Kind = "tunnel"   // bytes passed uninspected
	KindCA       Kind = "ca"       // the interception CA was made or rotated
	KindLearn    Kind = "learn"    // verified metadata advanced what is remembered
	KindRecall   Kind = "recall"   // bytes that were let through are not any more, or are again
	KindRegret   Kind = "regret"   // something that was let through turns out to be bad: who got it
	KindApproval Kind = "approval" // somebody asked for, or agreed to, what needs two people
	KindStart    Kind = "start"    // the proxy started
	KindStop     Kind = "stop"     // the proxy stopped
)

// Record is one entry of the log. Its JSON is the shape of `verify --json`, of the log and of the console's API;
// fields are only ever added.
type Record struct {
	V        int       `json:"v"`    // 1
	Kind     Kind      `json:"kind"` //
	ID       string    `json:"id"`   // set by Append where empty; sorts by time
	Time     time.Time `json:"time"` // set by Append where zero; UTC
	Client   *Client   `json:"client,omitempty"`
	Request  *Request  `json:"request,omitempty"`
	Channel  string    `json:"channel,omitempty"` // the scope (policy.Plan.Scope)
	Artifact *Artifact `json:"artifact,omitempty"`
	// Editions are what the channels that judged a decision's artifact take it for; history is kept by them.
	Editions []policy.Edition   `json:"editions,omitempty"`
	Findings []Finding          `json:"findings,omitempty"`
	Contents *Contents          `json:"contents,omitempty"` // what was inside; none if it was not opened
	Evidence []verify.Reference `json:"evidence,omitempty"` // sidecars consulted
	Decision *Decision          `json:"decision,omitempty"`
	Delivery *Delivery          `json:"delivery,omitempty"`
	Tunnel   *Tunnel            `json:"tunnel,omitempty"`
	// Report is the digest of the whole report that was judged, as the store of reports keeps it. Findings and Contents are what
	// a reader needs of it.
	Report verify.Digest `json:"report,omitzero"`
	// Facts are what else was judged by: history, lists, scans.
	Facts     *Circumstances `json:"facts,omitempty"`
	Release   *Release       `json:"release,omitempty"`   // of release and reject records
	Recall    *Recall        `json:"recall,omitempty"`    // of recall records
	Regret    *Regret        `json:"regret,omitempty"`    // of regret records
	Approval  *Approval      `json:"approval,omitempty"`  // of approval records
	Loosening *Loosening     `json:"loosening,omitempty"` // of policy records
	Decides   string         `json:"decides,omitempty"`   // id of the decision that a delivery, release or reject follows
	// Private says that the origin gave the artifact for this client alone: others may be given something else without harm.
	Private bool `json:"private,omitempty"`
	// Began stands for the URL that was asked for first, where redirects led from there to the request's: a keyed hash, which is the
	// same for the same URL and tells nobody without the key what it is.
	Began   string `json:"began,omitempty"`
	Message string `json:"message,omitempty"` // for a person

	// Deleted and Altered name personal values that a reader of the log could not put back: "client.addr",
	// "client.user", "request.url". Their fields are empty. Append ignores both.
	Deleted []string `json:"deleted,omitempty"` // the value is gone, as it may be
	Altered []string `json:"altered,omitempty"` // the value does not fit the commitment in the tree: somebody changed it
}

// Client is who asked. Both fields are personal: see FORMAT.md.
type Client struct {
	Addr string `json:"addr,omitempty"`
	User string `json:"user,omitempty"`
}

// Request is what was asked for. URL is personal, and has the values of its query redacted.
type Request struct {
	Method string `json:"method,omitempty"`
	URL    string `json:"url,omitempty"`
}

// Artifact is what was judged.
type Artifact struct {
	Name    string        `json:"name"`
	Format  verify.Format `json:"format"`
	Role    string        `json:"role,omitempty"`
	Size    int64         `json:"size"`
	SHA256  verify.Digest `json:"sha256"`
	Product string        `json:"product,omitempty"`
	Version string        `json:"version,omitempty"`
}

// Finding is a verify.Finding as records show it.
type Finding struct {
	Subject  string        `json:"subject"`
	Method   string        `json:"method"`
	Status   verify.Status `json:"status"`
	Code     string        `json:"code"`
	Signer   string        `json:"signer,omitempty"`
	SignedAt time.Time     `json:"signed_at,omitzero"`
	Anchors  []string      `json:"anchors,omitempty"`
	Detail   string        `json:"detail,omitempty"`
	// Issuer is who vouches for the signer's name where that is an identity of Sigstore: the OIDC issuer.
	Issuer      string              `json:"issuer,omitempty"`
	Attestation *verify.Attestation `json:"attestation,omitempty"` // what a signed statement says, by its signer's word
	Workload    *verify.Workload    `json:"workload,omitempty"`    // what the signer's certificate says of the run that signed
}

// Decision is a policy.Decision as records show it.
type Decision struct {
	Action   policy.Action `json:"action"`
	Observed bool          `json:"observed"`
	Rule     string        `json:"rule"`
	Reasons  []string      `json:"reasons"`
	Policy   string        `json:"policy"`        // "sha256:..."
	Ripe     time.Time     `json:"ripe,omitzero"` // when it would be let through if nothing but time passes
}

// Delivery tells how a response with an artifact went out.
type Delivery struct {
	Status   int    `json:"status"`          // HTTP status
	Sent     int64  `json:"sent"`            // bytes of body
	Complete bool   `json:"complete"`        // the response ended well
	Mode     string `json:"mode"`            // hold, retry, stream, cached, observed
	Error    string `json:"error,omitempty"` // why it did not end well
}

// Tunnel tells of bytes that passed uninspected.
type Tunnel struct {
	Host     string `json:"host"`
	SNI      string `json:"sni,omitempty"`
	Sent     int64  `json:"sent"`     // bytes from the client
	Received int64  `json:"received"` // bytes from the origin
	Result   string `json:"result"`   // how it ended
}

// Release tells of a decision by hand.
type Release struct {
	SHA256 verify.Digest `json:"sha256"`
	Scope  string        `json:"scope"` // the channel, or "" for no channel
	Until  time.Time     `json:"until,omitzero"`
	Reason string        `json:"reason"`
	By     string        `json:"by"` // who did it
	// BreakGlass says that it was given in an emergency: it always ends.
	BreakGlass bool     `json:"break_glass,omitempty"`
	Approvers  []string `json:"approvers,omitempty"` // who proved to agree, where that was asked for
	Approval   string   `json:"approval,omitempty"`  // the id of the record that asked for it first, where it took several people
}

// Recall tells of bytes that are not let through any more.
type Recall struct {
	SHA256 verify.Digest `json:"sha256"` // of an update, or of a file inside updates
	Reason string        `json:"reason"`
	By     string        `json:"by"`
	Lifted bool          `json:"lifted,omitempty"` // an earlier recall of them ends
}

// Regret tells of an update that was let through and should not have been.
type Regret struct {
	Source  string            `json:"source"`            // "feed NAME", or who recalled it
	Listing *policy.Listing   `json:"listing,omitempty"` // what a feed says
	Recall  string            `json:"recall,omitempty"`  // the id of the recall's record
	Path    string            `json:"path,omitempty"`    // the inner file meant; empty for the update itself
	Allowed []RegrettedAccess `json:"allowed"`           // who got it, the latest first; bounded
	Count   int               `json:"count"`             // how many decisions let it through
}

// RegrettedAccess is one decision that let a regretted update through. Whom it let through is in the decision's own record, where
// personal values can be deleted.
type RegrettedAccess struct {
	Record   string    `json:"record"` // of the decision
	Time     time.Time `json:"time"`
	Channel  string    `json:"channel"`
	Rule     string    `json:"rule"`
	Received bool      `json:"received"` // a delivery record says that all of it was sent
}
