package policy

import (
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/sallyport-project/sallyport/verify"
)

// text, number and yes are facts that are always known.
func text(name, doc string, get func(*object) string) fact {
	return fact{name: name, typ: types.StringType, doc: doc, get: func(o *object) (any, error) { return get(o), nil }}
}

func number64(name, doc string, get func(*object) int64) fact {
	return fact{name: name, typ: types.IntType, doc: doc, get: func(o *object) (any, error) { return get(o), nil }}
}

func yes(name, doc string, get func(*object) bool) fact {
	return fact{name: name, typ: types.BoolType, doc: doc, get: func(o *object) (any, error) { return get(o), nil }}
}

// thing is a fact that has facts itself.
func thing(name, doc string, of *factType, data func(*object) any) fact {
	return fact{name: name, typ: of.cel, doc: doc, get: func(o *object) (any, error) {
		return &object{typ: of, in: o.in, data: data(o)}, nil
	}}
}

// oneOf restricts a text to some words, so that others are errors at load.
func oneOf(words []string, f fact) fact {
	f.words = words
	return f
}

var (
	roleWords   = []string{"payload", "metadata"}
	statusWords = []string{"valid", "expired", "remark", "untrusted", "absent", "inconclusive", "invalid"}
)

func (o *object) finding() *verify.Finding { return o.data.(*verify.Finding) }

// empty reports whether the object stands for something that there is none of.
func (o *object) empty() bool {
	f, ok := o.data.(*verify.Finding)
	switch o.typ {
	case signerFacts:
		return ok && f.Signer.IsZero() && len(f.Anchors) == 0
	case attestationFacts:
		return ok && f.Attestation == nil
	case workloadFacts:
		return ok && f.Workload == nil
	}
	return false
}

var updateFacts = newFactType("an update",
	text("name", "the file's name, as whoever sent it chose it", func(o *object) string { return o.in.facts.Update.Name }),
	text("format", "`pe`, `msi`, `deb`, `dmg`, `zip` and so on, by its first bytes and then by its name; empty for what looks like no update",
		func(o *object) string { return string(o.in.facts.Update.Format) }),
	oneOf(roleWords, text("role", "`payload` or `metadata`", func(o *object) string { return o.in.facts.Update.Role.String() })),
	fact{"size", types.IntType, "bytes", "in a test without `size`", nil, func(o *object) (any, error) {
		if o.in.facts.Update.Size < 0 {
			return nil, unknown("the update's size is not known")
		}
		return o.in.facts.Update.Size, nil
	}},
	text("sha256", "64 hexadecimal digits, in lower case", func(o *object) string { return o.in.facts.Update.SHA256.String() }),
	fact{"product", types.StringType, "what the update says that it is", "it does not say", nil, func(o *object) (any, error) {
		return said(o.in.facts.Report.Product, "the update does not say what product it is")
	}},
	fact{"version", types.StringType, "the version that it says it has; only compared with `==` and `!=`, `in`, `newer_than` and the functions for text", "it does not say", nil, func(o *object) (any, error) {
		return said(o.in.facts.Report.Version, "the update does not say what version it is")
	}},
)

func said(s, otherwise string) (any, error) {
	if s == "" {
		return nil, unknown("%s", otherwise)
	}
	return s, nil
}

var clientFacts = newFactType("a client",
	fact{"address", types.StringType, "its address", "for a local file; in a test without `client`", nil, func(o *object) (any, error) {
		if a := o.in.facts.Request.Client.Addr; a.IsValid() {
			return a.Unmap().WithZone("").String(), nil
		}
		return nil, unknown("the client's address is not known")
	}},
	text("user", "the name under which it has signed in to the proxy, else empty", func(o *object) string { return o.in.facts.Request.Client.User }),
	fact{"groups", types.NewListType(types.StringType), "those of the section `clients` that it belongs to", "likewise", nil, func(o *object) (any, error) {
		c := o.in.facts.Request.Client
		if !c.Addr.IsValid() && c.User == "" {
			return nil, unknown("the client is not known")
		}
		return o.in.policy.groupsOf(c), nil
	}},
)

// groupsOf returns the names of the groups that a client belongs to, sorted.
func (p *Policy) groupsOf(c Client) []string {
	out := []string{}
	for _, name := range sortedKeys(p.clients) {
		for _, m := range p.clients[name] {
			if m.is(c) {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

var requestFacts = newFactType("a request",
	fact{"scheme", types.StringType, "`http` or `https`", "for a local file", nil, func(o *object) (any, error) {
		if u := o.in.facts.Request.URL; u != nil {
			return strings.ToLower(u.Scheme), nil
		}
		return nil, unknown("the file comes from no URL")
	}},
	fact{"host", types.StringType, "in lower case, international names in their ASCII form", "likewise", nil, func(o *object) (any, error) {
		return said(o.in.host, "the file comes from no URL")
	}},
	fact{"path", types.StringType, "without the query. Where an origin could read it in several ways, all have to give the same result", "likewise", nil, func(o *object) (any, error) {
		o.in.sawPath = true
		return said(o.in.path, "the file comes from no URL")
	}},
	fact{"method", types.StringType, "`GET`, `POST` and so on", "likewise", nil, func(o *object) (any, error) {
		return said(o.in.facts.Request.Method, "the file was not asked for by a request")
	}},
	thing("client", "who asks", clientFacts, func(*object) any { return nil }),
)

// unprovenBy says that a finding of this status proves nothing of whom it names or of what these say.
func unprovenBy(status string) error {
	return unknown("a signature that is %s proves nothing of its signer", status)
}

// named is a name that a certificate or key gives its signer. Under the roots of one anchor it is that anchor's matter alone.
func named(name, doc string, get func(verify.Identity) string) fact {
	return fact{name, types.StringType, doc, "the signature is not valid, or under roots of an anchor's own: ask `signed_by`", nil, func(o *object) (any, error) {
		id := o.finding().Signer
		if status := statusWord(o.finding(), o.in.now); status != "valid" && !id.IsZero() {
			return nil, unprovenBy(status)
		}
		if id.PrivateRoot {
			return nil, unknown("a certificate under the roots of one anchor is no proof of a name: use signed_by with that anchor")
		}
		return get(id), nil
	}}
}

// claimed is a text that counts if the signature under it does; empty where there is none.
func claimed(name, doc string, get func(*object) string) fact {
	return fact{name, types.StringType, doc, "the signature is not valid", nil, func(o *object) (any, error) {
		s := get(o)
		if status := statusWord(o.finding(), o.in.now); s != "" && status != "valid" {
			return nil, unprovenBy(status)
		}
		return s, nil
	}}
}

var signedAt = fact{"signed_at", types.TimestampType, "when it was signed, by a trusted timestamp", "there is no trusted timestamp", nil, func(o *object) (any, error) {
	if t := o.finding().SignedAt; !t.IsZero() {
		return t.UTC(), nil
	}
	return nil, unknown("no trusted timestamp says when the file was signed")
}}

var anchorsOf = fact{"anchors", types.NewListType(types.StringType), "names of all anchors of the policy that it is by, while it is valid", "", nil, func(o *object) (any, error) {
	return o.in.anchorsOf(o.finding())
}}

var signerFacts = newFactType("a signer",
	named("name", "what a person would call it; of Sigstore the identity", func(id verify.Identity) string { return id.Name }),
	named("organization", "subject O of its certificate", func(id verify.Identity) string { return id.Organization }),
	named("common_name", "subject CN", func(id verify.Identity) string { return id.CommonName }),
	named("country", "subject C", func(id verify.Identity) string { return id.Country }),
	named("issuer", "common name of the certificate that issued its own; of Sigstore the OIDC issuer", func(id verify.Identity) string { return id.Issuer }),
	claimed("fingerprint", "SHA-256 of its certificate, or the fingerprint of its OpenPGP key; hexadecimal, in lower case",
		func(o *object) string { return strings.ToLower(o.finding().Signer.Fingerprint) }),
	text("method", "the signature system: `authenticode`, `openpgp`, `sigstore` and so on", func(o *object) string { return o.finding().Method }),
	anchorsOf,
	signedAt,
)

// stating is a text of a signed statement; empty where there is none.
func stating(name, doc string, get func(*verify.Attestation) string) fact {
	return claimed(name, doc, func(o *object) string {
		if a := o.finding().Attestation; a != nil {
			return get(a)
		}
		return ""
	})
}

// certified is a text of a workload's certificate; empty where there is none.
func certified(name, doc string, get func(*verify.Workload) string) fact {
	return claimed(name, doc, func(o *object) string {
		if w := o.finding().Workload; w != nil {
			return get(w)
		}
		return ""
	})
}

func sameFinding(o *object) any { return o.data }

var workloadFacts = newFactType("a workload",
	certified("build_signer", "URI of the workflow that built", func(w *verify.Workload) string { return w.BuildSigner }),
	certified("runner", "environment of the machine, such as `github-hosted`", func(w *verify.Workload) string { return w.Runner }),
	certified("source", "URI of the source repository", func(w *verify.Workload) string { return w.Source }),
	certified("ref", "of the source", func(w *verify.Workload) string { return w.Ref }),
	certified("commit", "of the source", func(w *verify.Workload) string { return w.Commit }),
	certified("trigger", "what set it off, such as `push`", func(w *verify.Workload) string { return w.Trigger }),
	certified("run", "URI of the run", func(w *verify.Workload) string { return w.Run }),
)

var attestationFacts = newFactType("an attestation",
	stating("predicate", "its kind: `slsa`, `vsa`, `npm-publish`, `github-release`, `publish`, or empty", func(a *verify.Attestation) string { return a.Predicate }),
	stating("predicate_type", "URI of its kind", func(a *verify.Attestation) string { return a.PredicateType }),
	stating("builder", "URI of the builder; of a `vsa` of the verifier", func(a *verify.Attestation) string { return a.Builder }),
	stating("build_type", "URI of the kind of build", func(a *verify.Attestation) string { return a.BuildType }),
	stating("source", "URI of the source repository", func(a *verify.Attestation) string { return a.Source }),
	stating("ref", "of the source", func(a *verify.Attestation) string { return a.Ref }),
	stating("commit", "of the source", func(a *verify.Attestation) string { return a.Commit }),
	stating("levels", "of a `vsa`: what was verified, separated by spaces", func(a *verify.Attestation) string { return a.Levels }),
	stating("result", "of a `vsa`: `PASSED` or `FAILED`", func(a *verify.Attestation) string { return a.Result }),
	stating("package", "package URL of its subject", func(a *verify.Attestation) string { return a.Package }),
	thing("signer", "who states it", signerFacts, sameFinding),
	thing("workload", "what the signer's certificate says of the run that signed", workloadFacts, sameFinding),
	anchorsOf,
)

var findingFacts = newFactType("a finding",
	text("subject", "the inner file that it is about; empty for the update itself", func(o *object) string { return o.finding().Subject }),
	text("method", "the signature system: `authenticode`, `openpgp`, `sigstore` and so on", func(o *object) string { return o.finding().Method }),
	oneOf(statusWords, text("status", "`valid`; `expired`, was valid until some time ago; `remark`, vouches for nobody; `untrusted`, by nobody whom roots or anchors vouch for; `absent`; `inconclusive`",
		func(o *object) string { return statusWord(o.finding(), o.in.now) })),
	text("code", "what was found, as FORMATS.md lists it: `authenticode/padding-data`", func(o *object) string { return o.finding().Code }),
	text("detail", "the same in a sentence, not to be relied on", func(o *object) string { return o.finding().Detail }),
	thing("signer", "who signed; its facts are empty if nobody is named", signerFacts, sameFinding),
	signedAt,
	anchorsOf,
	thing("attestation", "what the signed statement says; its facts are empty if there is none", attestationFacts, sameFinding),
	thing("workload", "what the signer's certificate says of the run that signed; likewise", workloadFacts, sameFinding),
)

// statusWord tells what is no longer valid, and what is valid but vouches for nobody, from what is valid.
func statusWord(f *verify.Finding, now time.Time) string {
	switch {
	case f.Status != verify.Valid:
		return f.Status.String()
	case !current(f, now):
		return "expired"
	case f.Signer.IsZero() && len(f.Anchors) == 0:
		return "remark"
	}
	return "valid"
}

var innerFacts = newFactType("an inner file",
	text("path", "its path inside: `disk1.cab/ffmpeg.dll`", func(o *object) string { return o.data.(*verify.Inner).Path }),
	text("format", "as `update.format`", func(o *object) string { return string(o.data.(*verify.Inner).Format) }),
	number64("size", "bytes", func(o *object) int64 { return o.data.(*verify.Inner).Size }),
	text("sha256", "64 hexadecimal digits, in lower case; empty if it was not computed", func(o *object) string {
		if d := o.data.(*verify.Inner).SHA256; !d.IsZero() {
			return d.String()
		}
		return ""
	}),
	yes("executable", "whether a system runs or loads it", func(o *object) bool { return o.data.(*verify.Inner).Format.Executable() }),
)

// whole is a fact about all that is inside, which is not known unless everything was looked into and nothing is wrong with it.
func whole(name string, typ *types.Type, doc string, get func(*evaluation) any) fact {
	return fact{name, typ, doc, "not everything inside was looked into, or something inside is wrong", nil, func(o *object) (any, error) {
		if err := o.in.inside(); err != nil {
			return nil, err
		}
		return get(o.in), nil
	}}
}

var contentsFacts = newFactType("the contents",
	yes("opened", "whether the update was looked into", func(o *object) bool { return o.in.facts.Report.Contents != nil }),
	fact{"unread", types.IntType, "entries and containers that were not looked into, being encrypted or packed in a way that is not known", "it was not looked into", nil, func(o *object) (any, error) {
		if in := o.in.facts.Report.Contents; in != nil {
			return int64(in.Unread), nil
		}
		return nil, errNotOpened
	}},
	whole("files", types.IntType, "files inside, on all levels", func(e *evaluation) any { return int64(e.facts.Report.Contents.Files) }),
	whole("bytes", types.IntType, "all of them together, unpacked", func(e *evaluation) any { return e.facts.Report.Contents.Bytes }),
	whole("executables", types.IntType, "files that a system runs or loads", func(e *evaluation) any { return int64(e.facts.Report.Contents.Executables) }),
	whole("unsigned", types.IntType, "executables for which no valid signature, by anybody, was found", func(e *evaluation) any { return e.unsigned() }),
	whole("containers", types.IntType, "containers that were opened, the update included", func(e *evaluation) any { return int64(e.facts.Report.Contents.Containers) }),
	whole("depth", types.IntType, "containers in one another, 1 for the update itself", func(e *evaluation) any { return int64(e.facts.Report.Contents.Depth) }),
	whole("inner", types.NewListType(innerFacts.cel), "the files", func(e *evaluation) any {
		in := e.facts.Report.Contents
		out := make([]ref.Val, len(in.Inner))
		for i := range in.Inner {
			out[i] = &object{typ: innerFacts, in: e, data: &in.Inner[i]}
		}
		return out
	}),
	whole("findings", types.NewListType(findingFacts.cel), "what was found out about them", func(e *evaluation) any {
		return e.objects(findingFacts, e.innerFindings())
	}),
)

// factsOf is what an expression may begin with.
var factsOf = newFactType("the facts",
	thing("update", "the file that is judged", updateFacts, func(*object) any { return nil }),
	thing("request", "what asked for it", requestFacts, func(*object) any { return nil }),
	text("channel", "name of the channel that requires this", func(o *object) string { return o.in.channel }),
	fact{"now", types.TimestampType, "when it is judged", "", nil, func(o *object) (any, error) { return o.in.now.UTC(), nil }},
	fact{"signers", types.NewListType(signerFacts.cel), "who has signed the update itself, by valid signatures that have not expired", whenDefeated, nil,
		func(o *object) (any, error) { return o.in.signers() }},
	fact{"attestations", types.NewListType(attestationFacts.cel), "what signed statements say about the update itself, by valid signatures that have not expired", "likewise", nil,
		func(o *object) (any, error) { return o.in.attestations() }},
	fact{"findings", types.NewListType(findingFacts.cel), "all that was found out about the update itself", "likewise", nil,
		func(o *object) (any, error) { return o.in.findings() }},
	thing("contents", "what is inside it", contentsFacts, func(*object) any { return nil }),
	thing("history", "what this gate remembers of it", historyFacts, func(*object) any { return nil }),
	thing("past", "what was let through before of the same product on this channel", pastFacts, func(*object) any { return nil }),
	thing("changes", "what is different from the release of the same product that was let through last on this channel", changesFacts, func(*object) any { return nil }),
	scansFact,
)

const whenDefeated = "something is wrong with the update itself; where something about it could not be told, all that this could change"

// factTypes is every type that has facts.
var factTypes = []*factType{factsOf, updateFacts, requestFacts, clientFacts, signerFacts, attestationFacts, workloadFacts, findingFacts, contentsFacts, innerFacts, historyFacts, pastFacts, changesFacts, scanFacts, hitFacts}
