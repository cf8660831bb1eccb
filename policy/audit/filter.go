package audit

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// defaultLimit is how many records List returns where Filter.Limit is 0.
const defaultLimit = 100

// Filter chooses records. A zero field chooses all.
type Filter struct {
	Kind    Kind
	Action  string        // of decisions: "allow", "quarantine" or "block"
	Rule    string        // of decisions, exactly
	Channel string        // the scope, exactly
	SHA256  verify.Digest // of the artifact, or of what a release or reject names
	Name    string        // part of the artifact's name, in any case
	Client  string        // its address or user, exactly
	Since   time.Time     // not before
	Until   time.Time     // before
	Before  string        // id of a record: only those that stand before it in the log
	Limit   int           // at most so many, the newest; 0 means 100 for List and all for Export

	id string // exactly this record
}

// check says whether a filter can choose anything.
func (f Filter) check() error {
	switch f.Kind {
	case "", KindDecision, KindDelivery, KindRelease, KindReject, KindPolicy, KindTunnel, KindCA, KindLearn, KindStart, KindStop, KindRecall, KindRegret, KindApproval:
	default:
		return fmt.Errorf("there is no kind of record %q", f.Kind)
	}
	var action policy.Action
	if f.Action != "" {
		if err := action.UnmarshalText([]byte(f.Action)); err != nil {
			return err
		}
	}
	if f.Limit < 0 {
		return fmt.Errorf("a limit of %d records", f.Limit)
	}
	return nil
}

// matches says whether the filter chooses a record, as far as the record alone tells.
func (f Filter) matches(r *Record) bool {
	switch {
	case f.Kind != "" && r.Kind != f.Kind,
		f.Action != "" && r.action() != f.Action,
		f.Rule != "" && r.rule() != f.Rule,
		f.Channel != "" && r.scope() != f.Channel,
		!f.SHA256.IsZero() && r.digest() != f.SHA256,
		f.Name != "" && !strings.Contains(strings.ToLower(r.name()), strings.ToLower(f.Name)),
		f.Client != "" && (r.Client == nil || r.Client.Addr != f.Client && r.Client.User != f.Client),
		!f.Since.IsZero() && r.Time.Before(f.Since),
		!f.Until.IsZero() && !r.Time.Before(f.Until),
		f.id != "" && r.ID != f.id:
		return false
	}
	return true
}

// where is the filter as a condition of the index; it may choose too many records, never too few.
func (f Filter) where(before int64) (string, []any) {
	conditions, args := []string{"n < ?"}, []any{before}
	and := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	column := "" // what else may be searched by
	if !f.SHA256.IsZero() {
		and("artifact = (SELECT id FROM artifacts WHERE sha256 = ?) AND artifact <> 0 AND follows = 0", f.SHA256[:])
		column = "+" // fewer records are about an artifact than are of a kind or a time
	}
	if f.Kind != "" {
		and(column+"kind = ?", string(f.Kind))
	}
	if f.Action != "" {
		and(column+"action = ?", f.Action)
	}
	if f.Rule != "" {
		and("rule = ?", f.Rule)
	}
	if f.Channel != "" {
		and(column+"channel = ?", f.Channel)
	}
	if !f.Since.IsZero() {
		and(column+"time >= ?", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		and(column+"time <= ?", f.Until.UnixMicro())
	}
	if f.id != "" {
		and("id = ?", f.id)
	}
	return strings.Join(conditions, " AND "), args
}
