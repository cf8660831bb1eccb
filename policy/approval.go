package policy

import (
	"fmt"
	"time"
)

// Approval says how many people it takes to do by hand what the policy alone would not do. The section approval of a policy sets
// it; see LANGUAGE.md.
type Approval struct {
	Release    Consent `json:"release"`     // to let one update through, on one channel
	BreakGlass Consent `json:"break_glass"` // to do so in an emergency
	Loosening  Consent `json:"loosening"`   // to put a policy in force that lets through what was refused
}

// Consent is what it takes for one thing to be done by hand. The zero Consent is met by nobody.
type Consent struct {
	// People is how many different people have to agree. One person is whoever may give the server orders; where it takes more, each
	// of them proves who they are.
	People int `json:"people"`
	// AtMost is how long what is given may last, and how long it lasts where its giver says nothing. Zero: any time, and for ever.
	AtMost time.Duration `json:"at_most,omitempty"`
}

// emergency is how long an emergency lasts at most where the policy does not say.
const emergency = 24 * time.Hour

// maxPeople is how many people may be asked for.
const maxPeople = 9

// Approval returns how many people it takes.
func (p *Policy) Approval() Approval { return p.approval }

// LooserThan says in words what it takes fewer people for, or what may last longer, than under another policy.
func (a Approval) LooserThan(b Approval) []string {
	var out []string
	for _, c := range []struct {
		what string
		a, b Consent
	}{{"a release", a.Release, b.Release}, {"a break-glass release", a.BreakGlass, b.BreakGlass}, {"a loosened policy", a.Loosening, b.Loosening}} {
		if c.a.People < c.b.People {
			out = append(out, fmt.Sprintf("%s takes %s, not %s", c.what, persons(c.a.People), persons(c.b.People)))
		}
		if c.b.AtMost != 0 && (c.a.AtMost == 0 || c.a.AtMost > c.b.AtMost) {
			out = append(out, fmt.Sprintf("%s may last %s, not only %s", c.what, lasting(c.a.AtMost), c.b.AtMost))
		}
	}
	return out
}

// Stricter is what it takes to meet both.
func (a Approval) Stricter(b Approval) Approval {
	return Approval{a.Release.stricter(b.Release), a.BreakGlass.stricter(b.BreakGlass), a.Loosening.stricter(b.Loosening)}
}

func (c Consent) stricter(d Consent) Consent {
	if c.People == 0 || d.People == 0 {
		return Consent{}
	}
	c.People = max(c.People, d.People)
	if c.AtMost == 0 || d.AtMost != 0 && d.AtMost < c.AtMost {
		c.AtMost = d.AtMost
	}
	return c
}

func lasting(d time.Duration) string {
	if d == 0 {
		return "for ever"
	}
	return d.String()
}

func persons(n int) string {
	if n == 1 {
		return "one person"
	}
	return fmt.Sprintf("%d people", n)
}

// Ends returns until when something may last that is given now, and is to last until the time asked for, which is zero where its
// giver did not say. The result is zero where it may last for ever. An error says that it is asked for too long.
func (c Consent) Ends(now, asked time.Time) (time.Time, error) {
	if c.AtMost == 0 {
		return asked, nil
	}
	last := now.Add(c.AtMost)
	switch {
	case asked.IsZero():
		return last, nil
	case asked.After(last):
		return time.Time{}, fmt.Errorf("the policy in force lets it last %s, which is until %s, and not until %s", c.AtMost, utc(last), utc(asked))
	}
	return asked, nil
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func approvalShape() *shape {
	people := key{"people", "How many different people have to agree; as many as to release if left out, which is 1 if left out there.", false, value(aFewPeople)}
	atMost := func(doc string) key { return key{"at_most", doc, false, value(aDuration)} }
	return &shape{what: "the approval section", keys: []key{
		{"release", "To let an update through by hand.", false, &shape{what: "release", keys: []key{
			people, atMost("How long a release may last; any time if left out."),
		}}},
		{"break_glass", "To let an update through by hand in an emergency.", false, &shape{what: "break_glass", keys: []key{
			people, atMost("How long it may last, and lasts if nothing else is said; 24h if left out."),
		}}},
		{"loosening", "To put a policy in force that would let through what was refused.", false, &shape{what: "loosening", keys: []key{people}}},
	}}
}

var aFewPeople = &scalar{what: "a whole number from 1 to 9", kind: number, check: errorOf(parsePeople)}

func parsePeople(s string) (int, error) {
	n, err := parseCount(s)
	if err != nil || n > maxPeople {
		return 0, fmt.Errorf("%s is no whole number from 1 to %d", quote(s), maxPeople)
	}
	return n, nil
}

// approval reads the section approval. What takes several people is not done by one under another name: break_glass and loosening take
// as many as release unless they say otherwise.
func (b *builder) approval(n node) {
	release := consent(n.get("release"), 1, 0)
	a := Approval{
		Release:    release,
		BreakGlass: consent(n.get("break_glass"), release.People, emergency),
		Loosening:  consent(n.get("loosening"), release.People, 0),
	}
	b.policy.approval = a
	if a.BreakGlass.People > a.Release.People {
		b.warn(n.get("break_glass").get("people"), fmt.Sprintf("say release: {people: %d} as well", a.BreakGlass.People),
			"break_glass takes %s, and an ordinary release, which lets the same through, only %s", persons(a.BreakGlass.People), persons(a.Release.People))
	}
	if most := max(a.BreakGlass.People, a.Release.People); a.Loosening.People < most {
		at := n
		if given := n.get("loosening").get("people"); given.present() {
			at = given
		}
		b.warn(at, fmt.Sprintf("say loosening: {people: %d}", most),
			"it takes %s to change this section, and %s to do what it is about", persons(a.Loosening.People), persons(most))
	}
}

// consent reads what it takes. What cannot be read the check has refused.
func consent(n node, people int, atMost time.Duration) Consent {
	c := Consent{People: people, AtMost: atMost}
	if people, err := parsePeople(n.get("people").text()); err == nil {
		c.People = people
	}
	if d, err := parseDuration(n.get("at_most").text()); err == nil {
		c.AtMost = d
	}
	return c
}
