package main

import (
	"strings"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// loosening prints what a policy record says of what the policy loosens, and who confirmed it.
func (p paragraph) loosening(l *audit.Loosening) {
	p.text("before", l.Before)
	if l.Allowed > 0 {
		p.line("loosens", "%s would be let through, of %d that were judged again", counted(l.Allowed, "refusal"), l.Judged)
	}
	if l.Perhaps > 0 {
		p.line("loosens", "%s might be let through: nobody can tell without examining them again", counted(l.Perhaps, "refusal"))
	}
	for _, host := range l.Unseen {
		p.text("unseen", host)
	}
	for _, fewer := range l.Fewer {
		p.text("fewer", fewer)
	}
	for _, record := range l.Records {
		p.text("refused", record)
	}
	p.text("reason", l.Reason)
	p.text("by", l.By)
	p.text("agreed", strings.Join(l.Approvers, ", "))
}
