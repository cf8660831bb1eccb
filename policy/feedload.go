package policy

import (
	"net/url"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/sallyport-project/sallyport/verify"
)

// feeds reads the section feeds.
func (b *builder) feeds(n node) {
	for _, pair := range n.pairs() {
		f := b.feed(pair.value)
		f.Name = pair.key.text()
		f.Line, f.Position = pair.key.position()
		b.policy.feeds = append(b.policy.feeds, f)
	}
}

func (b *builder) feed(n node) *Feed {
	text := func(key string) string { return n.get(key).text() }
	f := &Feed{
		File: text("file"), URL: text("url"), Format: text("format"), Column: text("column"), Values: text("values"), SHA256URL: text("sha256_url"),
		Good: text("good") == "true", Seen: text("seen") == "true", Exploited: text("exploited") == "true",
		Vulnerabilities: text("vulnerabilities") == "true", AllowEmpty: text("allow_empty") == "true", UseStale: text("on_stale") == "use",
	}
	// What cannot be read the check has refused.
	f.Refresh, _ = parseDuration(text("refresh"))
	f.Timeout, _ = parseDuration(text("timeout"))
	f.MaxStale, _ = parseDuration(text("max_stale"))
	f.MaxAge, _ = parseDuration(text("max_age"))
	f.MaxSize, _ = parseSize(text("max_size"))
	entries, _ := parseWhole(text("max_entries"))
	f.MaxEntries = int(entries)
	f.SHA256, _ = verify.ParseDigest(text("sha256"))
	if s := n.get("max_unreadable"); s.present() {
		if f.MaxUnreadable, _ = parseShare(s.text()); f.MaxUnreadable == 0 {
			f.MaxUnreadable = -1
		}
	}
	if s := n.get("max_shrink"); s.present() {
		if f.MaxShrink, _ = parseShare(s.text()); f.MaxShrink == 0 {
			f.MaxShrink = 1e-9 // not one
		}
	}
	b.checkFeed(n, f)
	return f
}

// checkFeed looks for what no single key shows to be wrong.
func (b *builder) checkFeed(n node, f *Feed) {
	switch {
	case n.y.Kind != yaml.MappingNode: // the check has said so
		return
	case (f.File == "") == (f.URL == ""):
		b.add(n, "", "a feed has either a file or a url, this has %s", bothOrNeither(f.File != ""))
	case f.URL == "":
		for _, key := range []string{"sha256_url", "timeout", "allow_empty"} {
			if v := n.get(key); v.present() {
				b.add(v, "remove it", "%s is said of lists with a url, this is a file", key)
			}
		}
	case unsafeList(f):
		b.add(n.get("url"), "use https, or give the list's sha256", "over plain http anybody on the way could take entries out of a list")
	}
	b.checkSort(n, f)
	if c := n.get("column"); c.present() && f.Format != "csv" && f.Format != "" {
		b.add(c, "remove it", "only a csv list has columns")
	}
	if f.MaxUnreadable >= 1 {
		b.add(n.get("max_unreadable"), "", "max_unreadable is below 1, or nothing would be left to be read")
	}
	if s := n.get("on_stale"); contains([]string{"inconclusive", "use"}, s.text()) && !n.get("max_stale").present() && !n.get("max_age").present() {
		b.add(s, "give max_stale or max_age, too", "without a limit to its age no list is ever stale")
	}
}

func bothOrNeither(both bool) string {
	if both {
		return "both"
	}
	return "neither"
}

func unsafeList(f *Feed) bool {
	u, err := url.Parse(f.URL)
	return err == nil && u.Scheme == "http" && f.SHA256.IsZero()
}

// feedNames returns the names of all feeds, in the order of the file.
func (b *builder) feedNames() []string {
	names := make([]string, len(b.policy.feeds))
	for i, f := range b.policy.feeds {
		names[i] = f.Name
	}
	return names
}

// feedsOfBad returns the feeds that a list, or a mapping with more to say, refers to, and whether what is inside an update is to be
// looked up in them, too.
func (b *builder) feedsOfBad(n node) (feeds []*Feed, inside bool) {
	if named := n.get("feeds"); named.present() {
		feeds = b.feedsNamed(named, false)
		return feeds, n.get("inside").text() != "false" && slices.ContainsFunc(feeds, (*Feed).inside)
	}
	feeds = b.feedsNamed(n, false)
	return feeds, slices.ContainsFunc(feeds, (*Feed).inside)
}

// inside reports whether the feed may name what is inside an update.
func (f *Feed) inside() bool { return f.Lookup == nil || f.Lookup.Inside }

// feedsNamed returns the feeds that a list refers to. A name that leads nowhere is an error, and so is a list of what is good where
// one of what is bad is wanted, or the other way round.
func (b *builder) feedsNamed(n node, good bool) []*Feed {
	var out []*Feed
	for _, item := range n.items() {
		i := slices.IndexFunc(b.policy.feeds, func(f *Feed) bool { return f.Name == item.text() })
		if i < 0 {
			b.add(item, nearest(item.text(), b.feedNames()), "there is no feed %s", quote(item.text()))
			continue
		}
		f := b.policy.feeds[i]
		b.referred[f.Name] = true
		if wrong, hint := f.misnamed(good); wrong != "" {
			b.add(item, hint, "%s", wrong)
		}
		out = append(out, f)
	}
	return out
}

// unusedFeeds warns of feeds that nothing refers to.
func (b *builder) unusedFeeds() {
	for _, f := range b.policy.feeds {
		if f.Lookup != nil && !b.referred[f.Name] {
			b.warn(place{f.Line, f.Position}, "remove it, or name it under not_listed or listed", "look-up %s is never made: no requirement and no deny rule names it", f.Name)
		} else if !b.referred[f.Name] {
			b.warn(place{f.Line, f.Position}, "remove it, or name it under not_listed or listed", "feed %s is kept up to date, but no requirement and no deny rule names it", f.Name)
		}
	}
}
