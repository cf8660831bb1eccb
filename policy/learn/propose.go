package learn

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// proposal is an anchor for a signer, with the evidence for it.
type proposal struct {
	name    string // of the anchor; empty where there is none to propose
	anchor  string // as YAML
	finding string // of a test, as YAML
	why     string // there is no anchor to propose
	*signer
	of int // updates of the hosts it was seen on
}

// certificates are the signature systems whose signers an anchor of kind authenticode names.
var certificates = []string{"authenticode", "appx", "nuget", "vsix", "clickonce"}

var thumbprint = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// What an identity and an issuer of Sigstore look like that can be taken as they are: a star would be any text.
var (
	identities = regexp.MustCompile(`^[!-)+-~]{1,1000}$`)
	issuers    = regexp.MustCompile(`^https://[A-Za-z0-9.-]{1,200}(/[A-Za-z0-9._/-]{0,200})?$`)
)

// rare is the share of updates below which a signer is mentioned and not proposed, where others signed more.
const rare = 0.05

// propose returns what may be trusted for a group of hosts, those who signed most first.
func (d *draft) propose(g *group) []proposal {
	merged := map[string]*signer{}
	updates := 0
	for _, h := range g.hosts {
		updates += h.updates
		for key, s := range h.signers {
			m := merged[key]
			if m == nil {
				c := *s
				c.thumbprints = maps.Clone(s.thumbprints)
				merged[key] = &c
				continue
			}
			m.count += s.count
			m.first, _ = span(m.first, m.last, s.first)
			_, m.last = span(m.first, m.last, s.last)
			for t, n := range s.thumbprints {
				m.thumbprints[t] += n
			}
		}
	}
	signers := slices.Collect(maps.Values(merged))
	slices.SortFunc(signers, func(a, b *signer) int { return cmp.Or(b.count-a.count, cmp.Compare(a.key(), b.key())) })
	var out []proposal
	for i, s := range signers {
		p := proposal{signer: s, of: updates}
		switch {
		case i > 0 && (s.count == 1 && signers[0].count > 1 || float64(s.count) < rare*float64(updates)):
			p.why = "seen too seldom to propose"
		case slices.Contains(certificates, s.Method):
			d.publisher(&p)
		case s.Method == "sigstore":
			d.workload(&p)
		case len(s.Anchors) > 0:
			p.why = "valid under the anchor " + strings.Join(s.Anchors, ", ") + " of the policy then in force; name that one under signed_by"
		default:
			p.why = "a draft cannot hold the key"
		}
		out = append(out, p)
	}
	return out
}

// publisher proposes an anchor for the organization of a certificate, or for the certificate where its organization cannot be written: a star in
// it would be anybody.
func (d *draft) publisher(p *proposal) {
	org := p.Organization
	prints := slices.DeleteFunc(slices.Sorted(maps.Keys(p.thumbprints)), func(t string) bool { return !thumbprint.MatchString(t) })
	switch {
	case p.Private:
		p.why = "the certificate leads to a root that only an anchor with roots of its own trusts"
	case strings.TrimSpace(org) != "" && !strings.ContainsAny(org, "*?") && len(org) < 500:
		p.anchor = "{authenticode: {organization: " + quoted(org) + "}}"
		p.finding = "{method: " + quoted(p.Method) + ", status: valid, signer: {organization: " + quoted(org) + "}}"
		p.name = d.anchorName(p.anchor, org)
	case len(prints) > 0:
		quotedPrints := make([]string, len(prints))
		for i, t := range prints {
			quotedPrints[i] = quoted(strings.ToLower(t))
		}
		p.anchor = "{authenticode: {thumbprint: [" + strings.Join(quotedPrints, ", ") + "]}}"
		p.finding = "{method: " + quoted(p.Method) + ", status: valid, signer: {fingerprint: " + quotedPrints[0] + "}}"
		p.name = d.anchorName(p.anchor, p.Name)
	default:
		p.why = "its certificate names no organization that could be written down"
	}
}

// workload proposes an anchor for an identity of Sigstore: of a workflow at any tag, if it was seen at one.
func (d *draft) workload(p *proposal) {
	if !identities.MatchString(p.Identity) || !issuers.MatchString(p.Issuer) {
		p.why = "its identity cannot be written down"
		return
	}
	identity := p.Identity
	if i := strings.Index(identity, "@refs/tags/"); i > 0 && !strings.Contains(identity[i+1:], "@") {
		identity = identity[:i] + "@refs/tags/*"
	}
	p.anchor = "{sigstore: {issuer: " + quoted(p.Issuer) + ", identity: " + quoted(identity) + "}}"
	owner := strings.TrimPrefix(strings.TrimPrefix(identity, "https://"), "github.com/")
	p.name = d.anchorName(p.anchor, strings.SplitN(owner, "/.github/", 2)[0])
	p.finding = "{method: sigstore, status: valid, anchors: [" + quoted(p.name) + "]}"
}

// anchorName returns the name of an anchor, the same for the same anchor.
func (d *draft) anchorName(anchor, from string) string {
	if name, ok := d.anchors[anchor]; ok {
		return name
	}
	name := unique(cmp.Or(nameFrom(from), "publisher"), d.names)
	d.anchors[anchor] = name
	d.order = append(d.order, anchor)
	return name
}

// unique returns a name that is not taken, and takes it.
func unique(name string, taken map[string]bool) string {
	out := name
	for i := 2; taken[out]; i++ {
		out = fmt.Sprintf("%s-%d", name, i)
	}
	taken[out] = true
	return out
}

// evidence says how often, and when, a signer was seen.
func (p *proposal) evidence() string {
	text := fmt.Sprintf("%s of %s, %s to %s", number(p.count, "update"), number(p.of, ""), day(p.first), day(p.last))
	if n := len(p.thumbprints); n > 0 {
		text += fmt.Sprintf(", by %s", number(n, "certificate"))
	}
	return text
}
