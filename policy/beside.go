package policy

// beside reports whether what such an anchor vouches by may be published beside the update, or has to be asked for elsewhere.
func (a *anchor) beside() bool {
	switch a.kind {
	case "openpgp", "minisign", "signify", "cms", "tuf", "sigstore":
		return true
	}
	return false
}
