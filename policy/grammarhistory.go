package policy

// historyRequirements are the requirements about age and history.
func historyRequirements() []key {
	return []key{
		{"min_age", "Known for at least this long.", false, &shape{what: "min_age", scalar: aDuration, keys: []key{
			{"for", "How long.", true, value(aDuration)},
			{"adverse", "How long with an adverse signal; twice as long if left out.", false, value(aDuration)},
			{"clock", "The weakest clock that counts; first_seen if left out.", false, clockWord()},
			{"unless", "What need not wait.", false, word("fixes_known_exploited")},
		}}},
		{"no_downgrade", "No older than what was let through before.", false, &shape{what: "no_downgrade", scalar: aBoolean, keys: []key{
			{"branch", "Compare only releases whose first so many numbers are the same.", true, value(aWhole)},
		}}},
		{"same_publisher", "Signed by whoever signed the last one let through.", false, value(aBoolean)},
		{"never_weaker", "With every kind of proof that any release before had.", false, value(aBoolean)},
		{"one_view", "The same bytes for everybody.", false, &shape{what: "one_view", scalar: aBoolean, keys: []key{
			{"second_look", "The origin is asked a second time.", true, value(aBoolean)},
		}}},
	}
}

func clockWord() *shape { return word(clockWords...) }

func freezeShape() *shape {
	return &shape{what: "a freeze", scalar: aFreeze, keys: []key{
		{"at", "Nothing published later passes.", true, value(aMoment)},
		{"clock", "The weakest clock that counts; first_seen if left out.", false, clockWord()},
	}}
}

// besideRequirements are the keys that may stand beside the one of a requirement.
func besideRequirements() []key {
	return []key{{"on_inconclusive", "What it is where it cannot be told: refused (if left out), or allowed.", false, word("refuse", "allow")}}
}

// historyCaseShape is the history block of a test.
func historyCaseShape() *shape {
	return &shape{what: "a history", keys: []key{
		{"known", "Whether the gate's history could be looked up; true if left out.", false, value(aBoolean)},
		{"first_seen", "When the gate first held the file; now if left out.", false, value(aMoment)},
		{"peers", "What lists of other gates say.", false, listOf(&shape{what: "a sighting", keys: []key{
			{"feed", "The list.", true, value(aText)},
			{"at", "When it was first seen.", true, value(aMoment)},
		}}, 1)},
		{"claims", "What whoever serves it says.", false, listOf(&shape{what: "a claim", keys: []key{
			{"source", "Where it is claimed, such as Last-Modified.", true, value(aText)},
			{"at", "When it was published.", true, value(aMoment)},
		}}, 1)},
		{"releases", "What was let through before of the product, the latest first.", false, listOf(&shape{what: "a release", keys: []key{
			{"channel", "On which channel; on all that judge if left out.", false, value(aText)},
			{"version", "Its version; not known if left out.", false, value(aText)},
			{"system", "Whose rules order the version; those of the update if left out.", false, value(aSystem)},
			{"sha256", "Its digest; some other file if left out.", false, value(aDigest)},
			{"publishers", "Who signed it.", false, listOf(value(aText), 1)},
			{"proofs", "What kinds of proof it came with.", false, listOf(value(aText), 1)},
			{"at", "When it was let through.", false, value(aMoment)},
			{"by_hand", "Whether an exception or a release let it through.", false, value(aBoolean)},
		}}, 1)},
		{"views", "Other bytes that came by the same name.", false, listOf(&shape{what: "a view", keys: []key{
			{"same", "What they have in common with the update.", true, word("url", "asked", "version", "url+version", "asked+version")},
			{"sha256", "Their digest; some other file if left out.", false, value(aDigest)},
			{"first", "When they were first seen.", false, value(aMoment)},
			{"others", "Whether other clients were given them.", false, value(aBoolean)},
		}}, 1)},
		{"asked", "What the file is called by the URL that was asked for first, where redirects led from there.", false, value(aText)},
		{"second_look", "What the origin gave when it was asked a second time; not asked if left out.", false, word("same", "other", "failed")},
		{"private", "Whether the origin gave the answer for this client alone.", false, value(aBoolean)},
		{"requests", "How many decisions about these bytes there were.", false, value(aTally)},
		{"allowed", "How many of these let them through.", false, value(aTally)},
	}}
}

func recallCaseShape() *shape {
	return &shape{what: "a recall", keys: []key{
		{"path", "The inner file meant; the update itself if left out.", false, value(aText)},
		{"reason", "Why.", false, value(aText)},
		{"by", "Who ordered it.", false, value(aText)},
		{"at", "When.", false, value(aMoment)},
	}}
}

func fixCaseShape() *shape {
	return &shape{what: "a fix", keys: []key{
		{"id", "The vulnerability that the update removes, such as CVE-2026-1234.", true, value(aText)},
		{"exploited", "Whether it is known to be exploited.", false, value(aBoolean)},
		{"from", "The version before, which has it.", false, value(aText)},
		{"package", "What the list calls the product.", false, value(aText)},
		{"feed", "The list that knows it.", false, value(aText)},
	}}
}
