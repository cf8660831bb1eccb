package policy

import "github.com/sallyport-project/sallyport/internal/printable"

// listing returns what the rule's feeds say of an update. What a feed names is refused however old the feed is.
func (d *denyRule) listing(f *Facts) (string, bool) {
	if !d.byFeed {
		return "", false
	}
	clear, _ := f.Reputation.listings(d.feeds)
	return sentences(clear), len(clear) > 0
}

// feedNames returns the names of all feeds that rules name, sorted.
func (r *denyRules) feedNames() []string {
	seen := map[string]bool{}
	for _, d := range r.list {
		for _, f := range d.feeds {
			seen[f.Name] = true
		}
	}
	if len(seen) == 0 {
		return nil
	}
	return sortedKeys(seen)
}

// silent says which rules about feeds refuse nothing although they are about this request: their feed was never loaded, or it
// could not be looked into.
func (r *denyRules) silent(f *Facts, name string, paths []string) []string {
	if len(r.feeds) == 0 {
		return nil
	}
	var out []string
	for _, d := range r.byFeed {
		if !d.covers(name, paths) {
			continue
		}
		for _, feed := range d.feeds {
			switch state := f.Reputation.Feeds[feed.Name]; {
			case state.Partial != "":
				out = append(out, d.sentence("look-up "+feed.Name+": "+printable.Text(state.Partial, 300)))
			case state.Status != FeedNever:
			case feed.Lookup != nil:
				out = append(out, d.sentence("it refuses nothing: "+unanswered(feed.Name, state)))
			default:
				out = append(out, d.sentence("it refuses nothing by feed "+feed.Name+", which was never loaded"))
			}
		}
		if len(out) >= maxQuoted {
			break
		}
		if len(f.Reputation.Incomplete) > 0 {
			out = append(out, d.sentence("not everything could be looked up: "+someOf(printed(f.Reputation.Incomplete))))
		}
	}
	return out
}
