package policy

import (
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// exception waives what a channel requires, for some files and for a time.
type exception struct {
	name, channel, reason, owner string
	expires                      time.Time
	placed
}

func (b *builder) exceptions(n node) {
	p := b.policy
	p.exempt = map[verify.Digest][]*exception{}
	items := n.items()
	b.unique("exception", items)
	for _, item := range items {
		e := &exception{
			name: item.get("name").text(), channel: item.get("channel").text(),
			reason: item.get("reason").text(), owner: item.get("owner").text(), placed: b.placed(item),
		}
		var err error
		if e.expires, err = parseMoment(item.get("expires").text()); err != nil {
			continue // the check has said so, and an exception without end does not come to be
		}
		if c := item.get("channel"); c.present() && p.channelName[e.channel] == nil {
			b.add(c, nearest(e.channel, sortedKeys(p.channelName)), "there is no channel %s", quote(e.channel))
		}
		p.exceptions = append(p.exceptions, e)
		for _, d := range digests(item.get("sha256")) {
			p.exempt[d] = append(p.exempt[d], e)
		}
	}
}

// exception returns the first exception for a file on a channel that holds at a time.
func (p *Policy) exception(c *channel, sum verify.Digest, now time.Time) *exception {
	for _, e := range p.exempt[sum] {
		if e.channel == c.name && !e.expires.Before(now) {
			return e
		}
	}
	return nil
}

// sentence says what the exception does.
func (e *exception) sentence() string {
	return fmt.Sprintf("exception %s: the requirements of channel %s are waived for this file until %s by %s: %s",
		printable.Text(e.name, 120), e.channel, e.expires.Format(time.RFC3339), printable.Text(e.owner, 120), printable.Text(e.reason, 300))
}
