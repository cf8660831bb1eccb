package policy

// channel is a vendor's update channel.
type channel struct {
	name string
	settings
	hosts    []hostPattern
	paths    globs    // nil: every path
	clients  []string // groups; nil: everyone
	requires []requirement
	anchors  []string // names of those that count for its requests, sorted
	feeds    []string // names of those that its requirements look at, sorted
	product  string   // what all of its updates are; empty: told by each of them
	version  *versionPattern
	looks    bool     // its requirements ask for a second look
	scanners []string // names of those that its requirements ask, sorted
	// scanInside says that one of these is asked about what is inside.
	scanInside bool
}

func (c *channel) rule() string { return "channel " + c.name }

func (b *builder) channels(root node) {
	p := b.policy
	p.channelName = map[string]*channel{}
	items := root.get("channels").items()
	b.unique("channel", items)
	for i, item := range items {
		c := &channel{
			name:     item.get("name").text(),
			settings: b.settings(item, p.defaults),
			hosts:    hostList(item.get("hosts")),
			paths:    compileGlobs(item.get("paths")),
			product:  item.get("product").text(),
		}
		if v := item.get("version"); v.present() {
			c.version, _ = parseVersionPattern(v.text())
		}
		for _, h := range c.hosts {
			p.channelHost.add(h, i)
		}
		for _, g := range item.get("clients").items() {
			if _, ok := p.clients[g.text()]; !ok {
				b.add(g, nearest(g.text(), sortedKeys(p.clients)), "there is no group of clients %s", quote(g.text()))
			}
			c.clients = append(c.clients, g.text())
		}
		for _, r := range item.get("require").items() {
			built := b.requirement(r)
			switch {
			case built != nil:
				c.requires = append(c.requires, built)
			case len(b.list) == 0: // whatever the reason, no requirement is ever dropped without an error
				b.add(r, "", "this requirement cannot be understood")
			}
		}
		if f := b.freezeOf(item.get("freeze"), p.freeze); f != nil {
			c.requires = append(c.requires, f)
		}
		c.feeds = feedsOf(c.requires)
		c.looks = secondLooks(c.requires)
		b.warnOfProduct(item, c)
		c.scanners, c.scanInside = scannersOf(c.requires)
		p.channels = append(p.channels, c)
		p.channelName[c.name] = c
	}
}
