package main

import (
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy/audit"
)

func TestRecordsSayWhoAgreedAndWhoDidNot(t *testing.T) {
	for _, c := range []struct {
		record audit.Record
		want   string
	}{
		{audit.Record{Approval: &audit.Approval{State: audit.ApprovalAsked, Action: "break-glass", By: "alice", Reason: "INC-77"}}, "break-glass asked by alice: INC-77"},
		{audit.Record{Approval: &audit.Approval{State: audit.ApprovalRefused, Action: "break-glass", By: "bob", Reason: "INC-77"}}, "whoever said they were bob could not prove it"},
		{audit.Record{Release: &audit.Release{By: "alice", Scope: "ex", BreakGlass: true, Approvers: []string{"alice", "bob"}, Reason: "INC-77"}}, "by alice, bob in an emergency: INC-77"},
		{audit.Record{Release: &audit.Release{By: "root", Scope: "ex", Reason: "an ordinary one"}}, "by root: an ordinary one"},
	} {
		if got := summary(c.record); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q in it", got, c.want)
		}
	}
}
