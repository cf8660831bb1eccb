package policy

import "slices"

// language is the grammar of a policy file.
var language = grammar()

func listOf(of *shape, least int) *shape { return &shape{list: of, least: least} }

func value(s *scalar) *shape { return &shape{scalar: s} }

func word(words ...string) *shape { return value(&scalar{words: words}) }

func grammar() *shape {
	requirement := requirementShape()
	return &shape{what: "a policy", keys: []key{
		{"version", "The version of the language.", true, value(aVersion)},
		{"use", "Fragments of the catalogue to take up, such as catalogue/debian.", false, useShape(requirement)},
		{"defaults", "What holds where nothing else says otherwise.", false, defaultsShape()},
		{"hosts", "Which hosts are refused, passed through or looked into besides those that channels name.", false, hostsShape()},
		{"clients", "Groups of clients by name.", false, &shape{names: listOf(value(aMember), 1)}},
		{"anchors", "Keys, certificates and identities that the operator trusts, by name.", false, &shape{names: anchorShape()}},
		{"revocation", "Where it is said which X.509 certificates were revoked.", false, revocationShape()},
		{"deny", "What is never let through; looked at first.", false, listOf(denyShape(), 0)},
		{"approval", "How many people it takes to do by hand what the policy would not.", false, approvalShape()},
		{"exceptions", "Files let through although they lack proof, for a time.", false, listOf(exceptionShape(), 0)},
		{"channels", "Update channels; the first that matches a request judges it.", false, listOf(channelShape(requirement), 0)},
		{"feeds", "Lists of what is known to be bad, or good, by name.", false, &shape{names: feedShape(), naming: aFeedName}},
		{"lookups", "Services that are asked about single files, by name.", false, &shape{names: lookupShape(), naming: aFeedName}},
		{"scanners", "What updates are given to to be looked through, by name.", false, &shape{names: scannerShape(), naming: aScannerName}},
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
		{"freeze", "Nothing published later than this passes; none if left out.", false, freezeShape()},
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

func revocationShape() *shape {
	return &shape{what: "the revocation section", keys: []key{
		{"crls", "Certificate revocation lists, DER or PEM: files, or folders of files called .crl, .pem or .der.", false, listOf(value(aFileName), 1)},
		{"fetch", "Whether the lists that certificates name are fetched, off the way of any update, and kept.", false, value(aBoolean)},
		{"unknown", "What a signature is of whose certificates no list speaks: good, or not trusted.", false, word("allow", "refuse")},
		{"max_stale", "How long a list that should have been replaced still says who is not revoked.", false, value(aDuration)},
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
		{"listed", "What one of these feeds names: the update, anything inside, its signers or its URL.", false, feedsShape()},
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
		{"name", "The channel's name.", true, value(aDefinedName)},
		{"hosts", "Hosts it is served from.", true, listOf(value(aHost), 1)},
		{"paths", "Globs on the path; none means every path.", false, listOf(value(aPathGlob), 1)},
		{"clients", "Groups that may use it; none means everyone.", false, listOf(value(aText), 1)},
		{"product", "What all of its updates are, for their history; told by each of them if left out.", false, value(aText)},
		{"version", "The name of its files, with {version} where the version stands; what the files say of themselves if left out.", false, value(aVersionPattern)},
		{"require", "All that an update must prove.", true, listOf(requirement, 0)},
		{"mode", "Instead of defaults.mode.", false, mode()},
		{"delivery", "Instead of defaults.delivery.", false, delivery()},
		{"hold_max", "Instead of defaults.hold_max.", false, value(aHoldMax)},
		{"unproven", "Instead of defaults.unproven.", false, unproven()},
		{"freeze", "Instead of defaults.freeze; none for no such limit.", false, freezeShape()},
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
		{"provenance", "What a signed statement must say of where the update comes from.", false, &shape{what: "provenance", keys: []key{
			{"source", "The repository it was built from; * is any text.", false, value(aStarText)},
			{"ref", "The ref of it, such as refs/tags/v*; * is any text.", false, value(aStarText)},
			{"builder", "What built it (URI), for a vsa who verified it; * is any text.", false, value(aStarText)},
			{"predicate", "What kind of statement it is; slsa if left out and source, ref or builder is asked for.", false, value(aPredicate)},
			{"signed_by", "The sigstore anchors whose word it may be; all there are if left out.", false, listOf(value(aText), 1)},
		}}},
		{"not_listed", "Named by none of these feeds, nor anything inside, its signers or its URL.", false, feedsShape()},
		{"listed", "Named by one of these feeds of what is known to be good.", false, listOf(value(aFeedName), 1)},
		{"scan", "Nothing found by any of these scanners, in the update or inside.", false, scanShape()},
		{"if", "A CEL expression that must be true.", false, value(aText)},
		{"any", "At least one of these.", false, listOf(r, 1)},
		{"all", "All of these.", false, listOf(r, 1)},
		{"not", "Not this.", false, r},
	}
	r.keys = slices.Insert(r.keys, 3, historyRequirements()...)
	r.beside = besideRequirements()
	return r
}
