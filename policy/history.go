package policy

import (
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Edition is what a channel takes an update for: which product it is and in which version, who published it, and what kinds
// of proof it came with. History is kept by channel and product.
type Edition struct {
	Channel    string   `json:"channel"`              // one channel's name
	Product    string   `json:"product,omitempty"`    // empty: it cannot be told
	Version    string   `json:"version,omitempty"`    // empty: it cannot be told
	System     string   `json:"system,omitempty"`     // whose rules order its versions; a name that versions.Of knows
	Publishers []string `json:"publishers,omitempty"` // who signed the update itself, sorted; see Publishers
	Proofs     []string `json:"proofs,omitempty"`     // what kinds of proof it came with, sorted; see Proofs
}

// History is what the gate remembers that bears on one update, as of one moment. The zero History says that nobody has
// looked: what needs it cannot be told.
type History struct {
	Known bool `json:"known"`
	// FirstSeen is when this gate first held these very bytes, on whatever channel and whatever became of them; zero: now.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	// Peers are the lists of what other gates have seen that name these bytes.
	Peers []Sighting `json:"peers,omitempty"`
	// Claims are times that the origin, or whoever it quotes, claims for the publication. Nobody vouches for them.
	Claims []Claim `json:"claims,omitempty"`
	// Editions is what the update is on each channel that judges it; Past what went before, by channel.
	Editions []Edition       `json:"editions,omitempty"`
	Past     map[string]Past `json:"past,omitempty"`
	// Views are other bytes that came under the same URL, or as the same version of the same product.
	Views []View `json:"views,omitempty"`
	// Asked is what the file is called by the URL that was asked for first, where redirects led from there to the URL of the request.
	Asked string `json:"asked,omitempty"`
	// Second is what the origin answered when it was asked once more on the gate's own behalf.
	Second SecondLook `json:"second,omitzero"`
	// Private says that the origin gave this answer for one client alone: the request told who asks, or the response says that it
	// is for nobody else. What others are given may differ without harm, and cannot be asked for.
	Private bool `json:"private,omitempty"`
	// Requests counts the decisions about these bytes before this one, Allowed those that let them through.
	Requests int64 `json:"requests,omitempty"`
	Allowed  int64 `json:"allowed,omitempty"`
}

// Sighting is when a peer says that it first saw the bytes.
type Sighting struct {
	Feed string    `json:"feed"` // the list that says it
	At   time.Time `json:"at"`
}

// Claim is a time of publication that nobody vouches for.
type Claim struct {
	Source string    `json:"source"` // "Last-Modified", ...
	At     time.Time `json:"at"`
}

// Past is what was let through before of one product on one channel.
type Past struct {
	Product string `json:"product"`
	// Releases are the latest that were let through, each version and digest once, the latest first; at most 32. Those with the
	// highest versions, of all and of each branch of the update's own, are always among them, and the latest by each group of publishers.
	Releases []PastRelease `json:"releases,omitempty"`
	// Proofs are the kinds of proof that any release let through by the policy itself ever had, with the first such record.
	Proofs map[string]FirstProof `json:"proofs,omitempty"`
	// LeftOut counts the releases that a record leaves out: neither the latest nor those with the highest versions.
	LeftOut int `json:"left_out,omitempty"`
}

// FirstProof is where a kind of proof was first met.
type FirstProof struct {
	At     time.Time `json:"at"`
	Record string    `json:"record"`
}

// PastRelease is an update that was let through.
type PastRelease struct {
	Name       string        `json:"name"`
	Version    string        `json:"version,omitempty"`
	System     string        `json:"system,omitempty"`
	SHA256     verify.Digest `json:"sha256"`
	Publishers []string      `json:"publishers,omitempty"`
	Proofs     []string      `json:"proofs,omitempty"`
	At         time.Time     `json:"at"`      // when it was last let through
	Record     string        `json:"record"`  // that says so
	ByHand     bool          `json:"by_hand"` // an exception or a release let it through, not the policy's requirements
}

// View is other bytes than these.
type View struct {
	Same   string        `json:"same"` // "url", "asked" (the URL that was asked for first), "version", "url+version" or "asked+version": what they have in common with these
	SHA256 verify.Digest `json:"sha256"`
	First  time.Time     `json:"first"` // when they were first and last seen
	Last   time.Time     `json:"last"`
	Record string        `json:"record"` // the first record about them
	// Others says that another client than the one that asks now was given them.
	Others bool `json:"others"`
}

// SecondLook is a second answer of the origin. The zero value: it was not asked.
type SecondLook struct {
	Asked  bool          `json:"asked,omitempty"`
	SHA256 verify.Digest `json:"sha256,omitzero"`
	Failed string        `json:"failed,omitempty"` // why there is none, in words
}

// Recall is an order, by an auditor or a list, that bytes which were let through are not let through any more: as the update
// itself, or anywhere inside one.
type Recall struct {
	Record string        `json:"record"` // the id of the log record that ordered it
	SHA256 verify.Digest `json:"sha256"` // of the update or of a file inside
	Path   string        `json:"path,omitempty"`
	Reason string        `json:"reason"`
	By     string        `json:"by"` // who, or "feed NAME"
	At     time.Time     `json:"at"`
}

// Fix is a known vulnerability that an update removes: the release before has it, this one does not.
type Fix struct {
	ID        string `json:"id"` // as its list calls it: CVE-2026-1234, GHSA-…
	Feed      string `json:"feed"`
	Package   string `json:"package"`
	From      string `json:"from"` // the version let through before, which has it
	Exploited bool   `json:"exploited"`
	By        string `json:"by,omitempty"` // the list that says that it is exploited
}
