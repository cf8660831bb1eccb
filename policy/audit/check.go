package audit

import (
	"fmt"
)

// check says whether a record is whole: of a kind there is, with what a record of its kind is about.
func check(r *Record) error {
	var lacks string
	switch r.Kind {
	case KindDecision:
		switch {
		case r.Decision == nil:
			lacks = "a decision"
		case r.Artifact == nil || r.Artifact.SHA256.IsZero():
			lacks = "an artifact with its digest"
		}
	case KindDelivery:
		if r.Delivery == nil {
			lacks = "a delivery"
		}
	case KindRelease, KindReject:
		if r.Release == nil || r.Release.SHA256.IsZero() {
			lacks = "a release with a digest"
		}
	case KindTunnel:
		if r.Tunnel == nil {
			lacks = "a tunnel"
		}
	case KindRecall, KindRegret, KindApproval:
		lacks = lackOf(r)
	case KindPolicy, KindCA, KindLearn, KindStart, KindStop:
	default:
		return fmt.Errorf("no record can be of kind %q", r.Kind)
	}
	if lacks != "" {
		return fmt.Errorf("a record of kind %q needs %s", r.Kind, lacks)
	}
	if r.ID != "" && !validID(r.ID) {
		return fmt.Errorf("%q cannot be the id of a record", r.ID)
	}
	if len(r.Channel) > maxScope || r.Release != nil && len(r.Release.Scope) > maxScope || len(r.Decides) > maxWord {
		return fmt.Errorf("the channel or the id that a record names is too long")
	}
	return nil
}
