package console

import "github.com/sallyport-project/sallyport/policy/audit"

// Restore takes a record of the log into account. Records are given in the order of the log; those that say nothing of what waits
// for people to agree are passed over.
func (a *Approvals) Restore(rec audit.Record) {
	switch {
	case rec.Kind == audit.KindReject && rec.Release != nil:
		a.withdraw(rec.Release.SHA256, rec.Release.Scope)
	case rec.Kind == audit.KindRelease && rec.Release != nil:
		a.drop(rec.Release.Approval)
	case rec.Kind == audit.KindApproval && rec.Approval != nil:
		a.restore(rec)
	}
}

func (a *Approvals) restore(rec audit.Record) {
	switch said := rec.Approval; said.State {
	case audit.ApprovalAsked:
		p := Asked{
			Request: rec.ID, By: []string{said.By}, People: said.People, Ends: said.Ends, decides: rec.Decides,
			Subject: Subject{
				Action: said.Action, SHA256: said.SHA256, Scope: said.Scope, Until: said.Until, Policy: said.Policy, Reason: said.Reason,
			},
		}
		if rec.Artifact != nil {
			p.Name = rec.Artifact.Name
		}
		a.mu.Lock()
		if len(a.pending) < maxAsked && a.now().Before(p.Ends) {
			a.keep(&p)
		}
		a.mu.Unlock()
	case audit.ApprovalAgreed:
		a.mu.Lock()
		if p := a.pending[said.Request]; p != nil {
			p.By, p.People = append(p.By, said.By), max(p.People, said.People)
		}
		a.mu.Unlock()
	case audit.ApprovalDone:
		a.drop(said.Request)
	}
}

func (a *Approvals) drop(request string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pending, request)
}
