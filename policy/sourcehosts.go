package policy

import (
	"net/url"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// deniedSources adds an error for every place where an anchor has evidence asked for, or updates lie, on a host that nobody may ask.
func (b *builder) deniedSources(root node) {
	for _, pair := range root.get("anchors").pairs() {
		a := b.policy.anchors[pair.key.text()]
		if a == nil {
			continue
		}
		if tuf := pair.value.get("tuf"); a.tuf != nil {
			b.deniedRepository(tuf)
			for _, r := range a.tuf.Repositories {
				for _, mirror := range r.Metadata {
					if tuf.get("map").present() {
						b.deniedSource(tuf.get("map"), mirror, "take it out of the map file, or the host out of what is denied")
					}
				}
			}
		}
		if sigstore := pair.value.get("sigstore"); a.sigstore != nil {
			b.deniedRepository(sigstore.get("trusted_root"))
			for _, item := range sigstore.get("bundles").items() {
				literal, _, _ := strings.Cut(item.text(), "{")
				b.deniedSource(item, literal, "")
			}
			if sigstore.present() && !sigstore.get("trusted_root").present() && !keyed(sigstore) {
				b.deniedSource(sigstore, verify.PublicGoodTUF, "write trusted_root: with a file, and nothing is asked for there")
			}
		}
	}
}

// deniedRepository looks at the URLs of one repository, as written.
func (b *builder) deniedRepository(n node) {
	for _, key := range []string{"metadata", "targets"} {
		if u := n.get(key); u.present() {
			b.deniedSource(u, u.text(), "")
		}
	}
}

// deniedSource adds an error if a URL is on a host that the policy refuses by name. What is no URL was refused for that.
func (b *builder) deniedSource(at node, text, hint string) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return
	}
	if v := b.policy.host(u.Hostname()); v.named && v.action == DenyHost && v.name != "" {
		b.add(at, hint, "this anchor needs %s, but %s", v.name, v.why)
	}
}
