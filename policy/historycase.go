package policy

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// pastOf is a release that a test gives, and on which channel: "" is all that judge.
type pastOf struct {
	channel string
	release PastRelease
}

// testHistory is what the gate remembers in a test: without the block, that it has seen nothing before.
func (b *builder) testHistory(n node, t *test) {
	moment := func(n node) time.Time {
		at, _ := parseMoment(n.text()) // what cannot be read the check has refused
		return at
	}
	number := func(n node) int64 {
		v, _ := strconv.ParseInt(n.text(), 10, 64)
		return v
	}
	h := History{Known: n.get("known").text() != "false", FirstSeen: moment(n.get("first_seen")), Private: n.get("private").text() == "true", Asked: n.get("asked").text(),
		Requests: number(n.get("requests")), Allowed: number(n.get("allowed"))}
	for _, item := range n.get("peers").items() {
		h.Peers = append(h.Peers, Sighting{Feed: item.get("feed").text(), At: moment(item.get("at"))})
	}
	for _, item := range n.get("claims").items() {
		h.Claims = append(h.Claims, Claim{Source: item.get("source").text(), At: moment(item.get("at"))})
	}
	for i, item := range n.get("views").items() {
		h.Views = append(h.Views, View{Same: item.get("same").text(), SHA256: someDigest(item.get("sha256"), fmt.Sprintf("view %d of %s", i, t.name)),
			First: moment(item.get("first")), Last: moment(item.get("first")), Others: item.get("others").text() == "true"})
	}
	switch n.get("second_look").text() {
	case "same":
		h.Second = SecondLook{Asked: true, SHA256: t.facts.Update.SHA256}
	case "other":
		h.Second = SecondLook{Asked: true, SHA256: someDigest(node{}, "the second look of "+t.name)}
	case "failed":
		h.Second = SecondLook{Asked: true, Failed: "the test says so"}
	}
	t.facts.History = h
	for i, item := range n.get("releases").items() {
		if c := item.get("channel"); c.present() && b.policy.channelName[c.text()] == nil {
			b.add(c, nearest(c.text(), sortedKeys(b.policy.channelName)), "there is no channel %s", quote(c.text()))
		}
		t.past = append(t.past, pastOf{item.get("channel").text(), PastRelease{
			Name: t.facts.Update.Name, Version: item.get("version").text(), System: item.get("system").text(),
			SHA256:     someDigest(item.get("sha256"), fmt.Sprintf("release %d of %s", i, t.name)),
			Publishers: item.get("publishers").texts(), Proofs: item.get("proofs").texts(),
			At: moment(item.get("at")), ByHand: item.get("by_hand").text() == "true",
		}})
	}
}

// someDigest reads a digest; without one it is of some file that nobody lists.
func someDigest(n node, otherwise string) verify.Digest {
	sum, err := verify.ParseDigest(n.text())
	if err != nil {
		sum = sha256.Sum256([]byte("the file of the policy test " + otherwise))
	}
	return sum
}

func testRecalls(n node, sum verify.Digest) []Recall {
	var out []Recall
	for _, item := range n.items() {
		r := Recall{Record: "of the test", SHA256: sum, Path: item.get("path").text(), Reason: item.get("reason").text(), By: item.get("by").text()}
		r.At, _ = parseMoment(item.get("at").text())
		out = append(out, r)
	}
	return out
}

func testFixes(n node) []Fix {
	var out []Fix
	for _, item := range n.items() {
		out = append(out, Fix{ID: item.get("id").text(), Exploited: item.get("exploited").text() == "true", From: item.get("from").text(),
			Package: item.get("package").text(), Feed: item.get("feed").text()})
	}
	return out
}

// recall puts what a test says of the past to the products of its update.
func (p *Policy) recall(t *test, f *Facts) {
	h := &f.History
	h.Editions = p.Editions(f.Request, f.Update, f.Report)
	h.Past = map[string]Past{}
	for _, ed := range h.Editions {
		past := Past{Product: ed.Product, Proofs: map[string]FirstProof{}}
		for _, r := range t.past {
			if r.channel != "" && r.channel != ed.Channel {
				continue
			}
			if r.release.System == "" {
				r.release.System = ed.System
			}
			past.Releases = append(past.Releases, r.release)
			for _, kind := range r.release.Proofs {
				if !r.release.ByHand {
					past.Proofs[kind] = FirstProof{At: r.release.At}
				}
			}
		}
		if len(past.Releases) > 0 {
			h.Past[ed.Channel] = past
		}
	}
}
