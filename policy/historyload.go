package policy

import "math"

// aboutHistory builds the requirements about age and history. ok is false for any other.
func (b *builder) aboutHistory(name string, n node) (r requirement, ok bool) {
	switch name {
	case "min_age":
		return b.minAge(n), true
	case "no_downgrade":
		r := &noDowngrade{}
		if v := n.get("branch"); v.present() {
			whole, err := parseWhole(v.text())
			if err != nil {
				return nil, true // the check has said so
			}
			if r.branch = int(min(whole, math.MaxInt32)); r.branch > maxBranch {
				b.add(v, "", "a version has at most %d numbers that are compared, not %d", maxBranch, r.branch)
			}
		} else if !b.asked(n) {
			return nil, true
		}
		return r, true
	case "same_publisher":
		if b.asked(n) {
			return samePublisher{}, true
		}
		return nil, true
	case "never_weaker":
		if b.asked(n) {
			return neverWeaker{}, true
		}
		return nil, true
	case "one_view":
		r := &oneView{second: n.get("second_look").text() == "true"}
		if !n.get("second_look").present() && !b.asked(n) {
			return nil, true
		}
		return r, true
	}
	return nil, false
}

// maxBranch is how many numbers of a version a branch has at most.
const maxBranch = 4

// asked reports whether a requirement that is asked for by the word true is; false is an error.
func (b *builder) asked(n node) bool {
	if n.text() == "false" {
		b.add(n, "remove the line", "false asks for nothing: a requirement that is not wanted is left out")
	}
	return n.text() == "true"
}

// secondLooks reports whether any of the requirements asks for a second look.
func secondLooks(requires []requirement) bool {
	found := false
	each(requires, func(r requirement) {
		v, ok := r.(*oneView)
		found = found || ok && v.second
	})
	return found
}

// looksBack reports whether any of the requirements looks at what was let through before.
func looksBack(requires []requirement) bool {
	found := false
	each(requires, func(r requirement) {
		switch r.(type) {
		case *noDowngrade, samePublisher, neverWeaker, *oneView, *minAge:
			found = true
		}
	})
	return found
}

// keepsHistory says in a sentence what the channel takes for one product, and for its version.
func (c *channel) keepsHistory() string {
	product, version := "as the file itself says, else by its name without the version", "as the file itself says, else by its name"
	if c.version != nil {
		product, version = "by the file's name", "by the file's name, "+c.version.text
	}
	if c.product != "" {
		product = c.product + ", whatever the file"
	}
	return "history: product " + product + "; version " + version
}
