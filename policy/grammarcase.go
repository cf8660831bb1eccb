package policy

func testShape() *shape {
	return &shape{what: "a test", keys: []key{
		{"name", "What the test shows.", true, value(aText)},
		{"url", "The URL that is asked for.", true, value(aWebURL)},
		{"sha256", "The digest of what comes back; some other file if left out.", false, value(aDigest)},
		{"file", "The file's name; the last part of the URL's path if left out.", false, value(aText)},
		{"format", "What kind of file it is, such as msi; what its name says if left out.", false, value(aFormat)},
		{"size", "How large it is, such as 500MB; not known if left out.", false, value(aSize)},
		{"product", "What it says that it is; nothing if left out.", false, value(aText)},
		{"version", "The version that it says it has; none if left out.", false, value(aText)},
		{"system", "Whose rules order that version, such as deb or pe; those of file names if left out.", false, value(aSystem)},
		{"client", "The client's address, or user:NAME.", false, value(aClient)},
		{"role", "What the file is to the client.", false, word("payload", "metadata")},
		{"at", "When; the time of loading if left out.", false, value(aMoment)},
		{"findings", "What verification finds out.", false, listOf(findingShape(), 0)},
		{"feeds", "How feeds are doing: ok (if left out), stale or never loaded.", false, feedStatusShape()},
		{"listings", "What feeds say.", false, listOf(listingShape(), 0)},
		{"scans", "What scanners say.", false, scanCaseShape()},
		{"history", "What the gate remembers; that it has seen nothing before, if left out.", false, historyCaseShape()},
		{"changes", "What is different from the release before; that its report is gone, if left out.", false, changesCaseShape()},
		{"recalls", "What was recalled: the update, or something inside.", false, listOf(recallCaseShape(), 1)},
		{"fixes", "What the update repairs.", false, listOf(fixCaseShape(), 1)},
		{"ripe", "When it would be let through if nothing but time passes.", false, value(aMoment)},
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
			{"name", "What a person would call the signer; Sigstore: the identity.", false, value(aText)},
			{"organization", "Subject O.", false, value(aText)},
			{"common_name", "Subject CN.", false, value(aText)},
			{"issuer", "Common name of the issuing certificate; Sigstore: the OIDC issuer.", false, value(aText)},
			{"country", "Subject C.", false, value(aCountry)},
			{"root", "The anchor that brings the root in which the chain ends; without it the root is trusted for everybody.", false, value(aText)},
			{"fingerprint", "Of the certificate or key, hexadecimal.", false, value(aFingerprint)},
		}}},
		{"anchors", "Anchors under which it is valid.", false, listOf(value(aText), 1)},
		{"detail", "What is found, in a sentence.", false, value(aText)},
		{"signed_at", "When it was signed, by a trusted time.", false, value(aMoment)},
		{"attestation", "What the signed statement says.", false, &shape{what: "an attestation", keys: []key{
			{"predicate", "The kind of statement.", false, word(predicates...)},
			{"predicate_type", "Its URI.", false, value(aText)},
			{"builder", "URI of the builder; of a vsa, of the verifier.", false, value(aText)},
			{"build_type", "URI of the kind of build.", false, value(aText)},
			{"source", "URI of the source repository.", false, value(aText)},
			{"ref", "Of the source.", false, value(aText)},
			{"commit", "Of the source.", false, value(aText)},
			{"levels", "Of a vsa: what was verified.", false, value(aText)},
			{"result", "Of a vsa: PASSED or FAILED.", false, value(aText)},
			{"package", "Package URL of the subject.", false, value(aText)},
		}}},
		{"workload", "What the signer's certificate says of the run that signed.", false, &shape{what: "a workload", keys: []key{
			{"build_signer", "URI of the workflow that built.", false, value(aText)},
			{"runner", "Environment of the machine.", false, value(aText)},
			{"source", "URI of the source repository.", false, value(aText)},
			{"ref", "Of the source.", false, value(aText)},
			{"commit", "Of the source.", false, value(aText)},
			{"trigger", "What set it off.", false, value(aText)},
			{"run", "URI of the run.", false, value(aText)},
		}}},
	}}
}
