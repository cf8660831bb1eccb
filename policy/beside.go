package policy

// beside reports whether what such an anchor vouches by may be published beside the update.
func (a *anchor) beside() bool {
	switch a.kind {
	case "openpgp", "minisign", "signify", "cms":
		return true
	}
	return false
}
