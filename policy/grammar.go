package policy

// language is the grammar of a policy file.
var language = grammar()

func listOf(of *shape, least int) *shape { return &shape{list: of, least: least} }

func value(s *scalar) *shape { return &shape{scalar: s} }

func word(words ...string) *shape { return value(&scalar{words: words}) }

func grammar() *shape {
	requirement := requirementShape()
	return &shape{what: "a policy", keys: []key{
		{"version", "The version of the language.", true, value(aVersion)},
		{"defaults", "What holds where nothing else says otherwise.", false, defaultsShape()},
		{"hosts", "Which hosts are refused, passed through or looked into besides those that channels name.", false, hostsShape()},
		{"clients", "Groups of clients by name.", false, &shape{names: listOf(value(aMember), 1)}},
		{"anchors", "Keys, certificates and identities that the operator trusts, by name.", false, &shape{names: anchorShape()}},
		{"revocation", "Where it is said which X.509 certificates were revoked.", false, revocationShape()},
		{"deny", "What is never let through; looked at first.", false, listOf(denyShape(), 0)},
		{"exceptions", "Files let through although they lack proof, for a time.", false, listOf(exceptionShape(), 0)},
		{"channels", "Update channels; the first that matches a request judges it.", false, listOf(channelShape(requirement), 0)},
		{"feeds", "Lists of known files, by name.", false, &shape{names: &shape{what: "a feed", keys: []key{
			{"file", "The list, relative to the policy file.", true, value(aFileName)},
		}}}},
		{"tests", "Cases that are tried whenever the policy is loaded.", false, listOf(testShape(), 0)},
	}}
}

func defaultsShape() *shape {
	return &shape{what: "the defaults", keys: []key{
		{"hosts", "Hosts that neither a channel nor the hosts section names.", false, word("tunnel", "inspect", "deny")},
		{"unmatched", "An update found on an inspected host outside every channel.", false, word("quarantine", "block", "allow")},
		{"unproven", "An update that lacks what its channel requires.", false, unproven()},
		{"mode", "Whether decisions are carried out or only recorded.", false, mode()},
		{"delivery", "How a client waits for the verdict.", false, delivery()},
		{"hold_max", "How long a client is kept waiting before it is told to come back.", false, value(aHoldMax)},
	}}
}

func unproven() *shape { return word("quarantine", "block") }
func mode() *shape     { return word("enforce", "observe") }
func delivery() *shape { return word("hold", "retry", "stream") }

func hostsShape() *shape {
	return &shape{what: "the hosts section", keys: []key{
		{"deny", "Hosts to which no connection is made.", false, listOf(value(aHost), 1)},
		{"tunnel", "Hosts whose traffic is passed through unseen.", false, listOf(value(aHost), 1)},
		{"inspect", "Hosts that are looked into although no channel names them.", false, listOf(value(aHost), 1)},
		{"ports", "Ports besides 80 and 443 that may be connected to: a port, or host:port.", false, listOf(value(aPort), 1)},
		{"upgrades", "Hosts on which an inspected connection may change to another protocol, such as WebSocket.", false, listOf(value(aHost), 1)},
	}}
}

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
		{"sigstore", "A workload or person known to Sigstore.", false, &shape{what: "a sigstore anchor", keys: []key{
			{"issuer", "The OIDC issuer.", true, value(aText)},
			{"identity", "The subject, a glob.", true, value(aGlob)},
		}}},
		{"tuf", "A TUF repository.", false, &shape{what: "a tuf anchor", keys: []key{
			{"root", "File with the trusted root metadata.", true, value(aFileName)},
			{"metadata", "URL under which metadata is found.", true, value(aWebURL)},
			{"targets", "URL under which targets are found.", true, value(aWebURL)},
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

func revocationShape() *shape {
	return &shape{what: "the revocation section", keys: []key{
		{"crls", "Certificate revocation lists, DER or PEM: files, or folders of files called .crl, .pem or .der.", false, listOf(value(aFileName), 1)},
		{"fetch", "Whether the lists that certificates name are fetched, off the way of any update, and kept.", false, value(aBoolean)},
		{"unknown", "What a signature is of whose certificates no list speaks: good, or not trusted.", false, word("allow", "refuse")},
		{"max_stale", "How long a list that should have been replaced still says who is not revoked.", false, value(aDuration)},
	}}
}

func bareKeysShape(system string) *shape {
	return &shape{what: "a " + system + " anchor", keys: []key{
		{"key", "The public key, as its file has it: RW and base64.", false, value(aBareKey)},
		{"keys", "Several public keys.", false, listOf(value(aBareKey), 1)},
		{"file", "A public key file, or several in one.", false, value(aFileName)},
	}}
}

func denyShape() *shape {
	return &shape{what: "a deny rule", keys: []key{
		{"name", "The rule's name.", true, value(aText)},
		{"reason", "Why, for whoever meets it.", false, value(aText)},
		{"sha256", "Exactly these files.", false, listOf(value(aDigest), 1)},
		{"hosts", "What comes from these hosts.", false, listOf(value(aHost), 1)},
		{"paths", "What has one of these paths.", false, listOf(value(aPathGlob), 1)},
		{"signed_by", "What carries a signature of one of these anchors.", false, listOf(value(aText), 1)},
	}}
}

func exceptionShape() *shape {
	return &shape{what: "an exception", keys: []key{
		{"name", "The exception's name.", true, value(aText)},
		{"channel", "The channel whose requirements are waived.", true, value(aText)},
		{"sha256", "For exactly these files.", true, listOf(value(aDigest), 1)},
		{"reason", "Why.", true, value(aText)},
		{"owner", "Who answers for it.", true, value(aText)},
		{"expires", "The last day (UTC), or the moment, on which it holds.", true, value(aMoment)},
	}}
}

func channelShape(requirement *shape) *shape {
	return &shape{what: "a channel", keys: []key{
		{"name", "The channel's name.", true, value(aChannelName)},
		{"hosts", "Hosts it is served from.", true, listOf(value(aHost), 1)},
		{"paths", "Globs on the path; none means every path.", false, listOf(value(aPathGlob), 1)},
		{"clients", "Groups that may use it; none means everyone.", false, listOf(value(aText), 1)},
		{"require", "All that an update must prove.", true, listOf(requirement, 0)},
		{"mode", "Instead of defaults.mode.", false, mode()},
		{"delivery", "Instead of defaults.delivery.", false, delivery()},
		{"hold_max", "Instead of defaults.hold_max.", false, value(aHoldMax)},
		{"unproven", "Instead of defaults.unproven.", false, unproven()},
	}}
}

func signedByShape() *shape {
	return &shape{what: "signed_by", least: 1, list: value(aText), keys: []key{
		{"anchors", "Anchors to choose from.", true, listOf(value(aText), 1)},
		{"threshold", "How many different ones must have signed.", true, value(aCount)},
	}}
}

func requirementShape() *shape {
	r := &shape{what: "a requirement", one: true}
	r.keys = []key{
		{"signed_by", "Signed under any of these anchors, or under several.", false, signedByShape()},
		{"contents", "What every executable inside must prove.", false, &shape{what: "contents", keys: []key{
			{"signed_by", "Signed under any of these anchors, or under several.", true, signedByShape()},
			{"strict", "Nothing may stand out, either.", false, value(aBoolean)},
			{"allow_unsigned", "Inner paths that need no signature, globs.", false, listOf(value(anInnerGlob), 1)},
			{"unread", "What is not looked into: refuse (if left out) or allow.", false, word("refuse", "allow")},
			{"limits", "How much may be inside.", false, &shape{what: "limits", keys: []key{
				{"files", "Files on all levels.", false, value(aWhole)},
				{"bytes", "All of them together, unpacked.", false, value(aSize)},
				{"depth", "Containers in one another.", false, value(aWhole)},
			}}},
		}}},
		{"min_age", "Known for at least this long.", false, value(aDuration)},
		{"no_downgrade", "No older than what was let through before.", false, value(aBoolean)},
		{"same_publisher", "Signed by whoever signed the last one let through.", false, value(aBoolean)},
		{"not_listed", "On none of these feeds.", false, listOf(value(aText), 1)},
		{"if", "A CEL expression that must be true.", false, value(aText)},
		{"any", "At least one of these.", false, listOf(r, 1)},
		{"all", "All of these.", false, listOf(r, 1)},
		{"not", "Not this.", false, r},
	}
	return r
}

func testShape() *shape {
	return &shape{what: "a test", keys: []key{
		{"name", "What the test shows.", true, value(aText)},
		{"url", "The URL that is asked for.", true, value(aWebURL)},
		{"sha256", "The digest of what comes back; some other file if left out.", false, value(aDigest)},
		{"client", "The client's address, or user:NAME.", false, value(aClient)},
		{"role", "What the file is to the client.", false, word("payload", "metadata")},
		{"at", "When; the time of loading if left out.", false, value(aMoment)},
		{"findings", "What verification finds out.", false, listOf(findingShape(), 0)},
		{"want", "The action expected.", true, word("allow", "quarantine", "block")},
	}}
}

func findingShape() *shape {
	return &shape{what: "a finding", keys: []key{
		{"subject", "The inner file meant; the update itself if left out.", false, value(aText)},
		{"method", "The signature system.", true, value(aChannelName)},
		{"status", "The outcome.", true, word("valid", "invalid", "untrusted", "absent", "inconclusive")},
		{"code", "The finding's code.", false, value(aText)},
		{"signer", "The organization that signed, or the parts of its identity.", false, &shape{what: "a signer", scalar: aText, keys: []key{
			{"organization", "Subject O.", false, value(aText)},
			{"common_name", "Subject CN.", false, value(aText)},
			{"issuer", "Common name of the issuing certificate.", false, value(aText)},
			{"country", "Subject C.", false, value(aCountry)},
			{"root", "The anchor that brings the root in which the chain ends; without it the root is trusted for everybody.", false, value(aText)},
			{"fingerprint", "Of the certificate or key, hexadecimal.", false, value(aFingerprint)},
		}}},
		{"anchors", "Anchors under which it is valid.", false, listOf(value(aText), 1)},
		{"detail", "What is found, in a sentence.", false, value(aText)},
	}}
}
