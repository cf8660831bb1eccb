package policy

func anchorShape() *shape {
	return &shape{what: "an anchor", one: true, keys: []key{
		{"authenticode", "A publisher of Windows software, by its certificate.", false, &shape{what: "an authenticode anchor", keys: []key{
			{"organization", "Organization (O) of the signing certificate; * and ? are wildcards, * alone is anybody under a trusted root.", false, value(aWildcardText)},
			{"common_name", "Common name (CN) of the signing certificate, with wildcards.", false, value(aWildcardText)},
			{"issuer", "Common name of the certificate that issued it, with wildcards.", false, value(aWildcardText)},
			{"country", "Country (C) of the signing certificate, two letters.", false, value(aCountry)},
			{"thumbprint", "SHA-256 of the signing certificate, any of these.", false, listOf(value(aDigest), 1)},
			{"roots", "File with the only roots that count for this anchor, in PEM; those that are not trusted for everybody count for no other.", false, value(aFileName)},
		}}},
		{"apple", "A publisher of Apple software.", false, &shape{what: "an apple anchor", keys: []key{
			{"team", "The Team ID.", true, value(aText)},
		}}},
		{"openpgp", "OpenPGP keys, for apt archives, rpm and detached signatures.", false, &shape{what: "an openpgp anchor", keys: []key{
			{"keyring", "File with the public keys, binary or armoured.", true, value(aFileName)},
			{"suites", "apt: suites to try for a package when none was seen yet.", false, listOf(value(aText), 1)},
			{"lag", "apt: how much older than the newest seen a Release may be.", false, value(aDuration)},
		}}},
		{"sigstore", "Workloads or people known to Sigstore, or keys.", false, sigstoreShape()},
		{"tuf", "A TUF repository, or several that have to agree.", false, &shape{what: "a tuf anchor", keys: []key{
			{"root", "File with the root metadata that is trusted from the beginning.", false, value(aFileName)},
			{"metadata", "URL below which metadata is found.", false, value(aBaseURL)},
			{"map", "Map file (TAP 4) of several repositories.", false, value(aFileName)},
			{"roots", "File with the root metadata of each repository of the map file.", false, &shape{names: value(aFileName), naming: aRepository}},
			{"targets", "URL below which an update's path is the path of a target.", true, value(aBaseURL)},
			{"refresh", "How old metadata may be before it is asked for again.", false, value(aRefresh)},
		}}},
		{"minisign", "minisign keys, any of which may have signed.", false, bareKeysShape("minisign")},
		{"signify", "signify keys, any of which may have signed.", false, bareKeysShape("signify")},
		{"cms", "A publisher by its certificate, for detached CMS signatures and kernel modules.", false, &shape{what: "a cms anchor", keys: []key{
			{"roots", "File with the root certificates, or the signers' own, PEM.", true, value(aFileName)},
			{"organization", "Organization (O) of the signing certificate, with wildcards.", false, value(aWildcardText)},
			{"common_name", "Common name (CN) of the signing certificate, with wildcards.", false, value(aWildcardText)},
		}}},
		{"digest", "Exactly these files.", false, &shape{what: "a digest anchor", keys: []key{
			{"sha256", "Their SHA-256 digests.", true, listOf(value(aDigest), 1)},
		}}},
	}}
}

func sigstoreShape() *shape {
	return &shape{what: "a sigstore anchor", keys: []key{
		{"issuer", "Who vouches for the identity (OIDC issuer); * is any text.", false, value(aStarText)},
		{"identity", "Who signs, as the certificate names it (subject alternative name); * is any text.", false, value(aStarText)},
		{"identity_regexp", "The same as a regular expression (RE2) that matches all of it.", false, value(aRegexp)},
		{"san_type", "What kind of name the identity is.", false, word("email", "uri", "other")},
		{"key", "A public key that signs, instead of an identity: PEM, or a file of it.", false, value(aKey)},
		{"keys", "Several public keys, any of which may sign.", false, listOf(value(aKey), 1)},
		{"trusted_root", "The instance of Sigstore: its trusted_root.json, or where it is published; the public-good instance if left out.", false,
			&shape{what: "trusted_root", scalar: aFileName, keys: []key{
				{"root", "File with the root metadata of the TUF repository that publishes it.", true, value(aFileName)},
				{"metadata", "URL below which its metadata is found.", true, value(aBaseURL)},
				{"targets", "URL below which its targets are found, of which trusted_root.json is one.", true, value(aBaseURL)},
				{"refresh", "How old metadata may be before it is asked for again.", false, value(aRefresh)},
			}}},
		{"rekor", "How many entries of transparency logs there must be.", false, value(aThreshold)},
		{"timestamp", "How many timestamps of timestamping authorities there must be.", false, value(aThreshold)},
		{"sct", "How many certificate transparency logs must have seen the certificate.", false, value(aThreshold)},
		{"bundles", "Where else to look for bundles: templates of URLs, and folders.", false, listOf(value(aBundlePlace), 1)},
	}}
}

func bareKeysShape(system string) *shape {
	return &shape{what: "a " + system + " anchor", keys: []key{
		{"key", "The public key, as its file has it: RW and base64.", false, value(aBareKey)},
		{"keys", "Several public keys.", false, listOf(value(aBareKey), 1)},
		{"file", "A public key file, or several in one.", false, value(aFileName)},
	}}
}
