package main

import (
	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// changes prints what is different from the release before, for each channel that has one.
func (p paragraph) changes(r audit.Record) {
	if r.Facts == nil {
		return
	}
	for i := range r.Facts.Changes {
		c := &r.Facts.Changes[i]
		on := ""
		if len(r.Facts.Changes) > 1 {
			on = " on " + channelName(c.Channel)
		}
		p.line("since", "%s%s", printable.Text(c.Since(), 400), on)
		for _, s := range c.Sentences() {
			p.line("", "%s", printable.Text(s, 2000))
		}
	}
}
