package verify

// Attestation is what a signed statement (in-toto Statement) says of an artifact, as far as policies ask for it. All of it
// is text by the signer.
type Attestation struct {
	PredicateType string `json:"predicate_type"`       // the statement's predicateType, such as "https://slsa.dev/provenance/v1"
	Predicate     string `json:"predicate,omitempty"`  // the family it belongs to: slsa, vsa, npm-publish, github-release, publish; empty for others
	Builder       string `json:"builder,omitempty"`    // slsa: URI of the builder; vsa: URI of the verifier
	BuildType     string `json:"build_type,omitempty"` // slsa: URI of the kind of build
	Source        string `json:"source,omitempty"`     // URI of the source repository, without revision or the prefix git+
	Ref           string `json:"ref,omitempty"`        // of the source: "refs/tags/v1.2.3"
	Commit        string `json:"commit,omitempty"`     // of the source, hexadecimal
	Levels        string `json:"levels,omitempty"`     // vsa: the levels that were verified, separated by spaces
	Result        string `json:"result,omitempty"`     // vsa: PASSED or FAILED
	Package       string `json:"package,omitempty"`    // package URL of the subject, where the statement names one
}

// Workload is what a Fulcio certificate says of the run that signed (the extensions 1.3.6.1.4.1.57264.1.8 to .22).
type Workload struct {
	BuildSigner string `json:"build_signer,omitempty"` // URI of the workflow that built, with its ref
	Runner      string `json:"runner,omitempty"`       // environment of the machine: github-hosted, self-hosted
	Source      string `json:"source,omitempty"`       // URI of the source repository
	Ref         string `json:"ref,omitempty"`          // of the source
	Commit      string `json:"commit,omitempty"`       // of the source
	Trigger     string `json:"trigger,omitempty"`      // what set it off: push, release, workflow_dispatch, ...
	Run         string `json:"run,omitempty"`          // URI of the run
}
