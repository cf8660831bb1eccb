package policy

// warnOfProduct warns of a channel that compares releases of one product, where whoever serves a file may say that it is another product,
// which has no history.
func (b *builder) warnOfProduct(n node, c *channel) {
	compares, signed := false, false
	each(c.requires, func(r requirement) {
		switch r := r.(type) {
		case *noDowngrade, samePublisher, neverWeaker:
			compares = true
		case *signedBy, *provenance, *knownGood:
			signed = true
		case *condition:
			signed = signed || r.own || len(r.signed) > 0
		}
	})
	if compares && !signed && c.product == "" && c.version == nil {
		b.warn(n.get("name"), "add product, or require signed_by", "channel %s compares updates with what was let through before of the same product, and nothing but a file's own word says which product it is", quote(c.name))
	}
}
