package policy

// testReputation is what feeds say in a test: all are in force and name nothing, unless it says otherwise.
func (b *builder) testReputation(n node, u Update) Reputation {
	r := Reputation{Feeds: map[string]FeedState{}}
	for _, f := range b.policy.feeds {
		r.Feeds[f.Name] = FeedState{Status: FeedOK}
	}
	for _, pair := range n.get("feeds").pairs() {
		if b.feedOf(pair.key) {
			r.Feeds[pair.key.text()] = FeedState{Status: map[string]FeedStatus{"ok": FeedOK, "stale": FeedStale}[pair.value.text()]}
		}
	}
	for _, item := range n.get("listings").items() {
		b.feedOf(item.get("feed"))
		l := Listing{
			Feed: item.get("feed").text(), Path: item.get("path").text(), Kind: wordOr(item.get("kind"), "sha256"), Value: item.get("value").text(),
			Label: item.get("label").text(), Unclear: item.get("unclear").text() == "true",
		}
		if l.Value == "" && l.Kind == "sha256" && l.Path == "" {
			l.Value = u.SHA256.String()
		}
		l.Match = l.Value
		l.Listed, _ = parseMoment(item.get("listed").text())
		r.Listings = append(r.Listings, l)
	}
	return r
}

// feedOf reports whether there is a feed of that name, and adds an error if there is none.
func (b *builder) feedOf(n node) bool {
	ok := contains(b.feedNames(), n.text())
	if !ok && n.present() {
		b.add(n, nearest(n.text(), b.feedNames()), "there is no feed %s", quote(n.text()))
	}
	return ok
}
