package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestApprovalIsWhatTheFileSays(t *testing.T) {
	for src, want := range map[string]Approval{
		"version: 1\n":             {Consent{1, 0}, Consent{1, 24 * time.Hour}, Consent{1, 0}},
		"version: 1\napproval: {}": {Consent{1, 0}, Consent{1, 24 * time.Hour}, Consent{1, 0}},
		"version: 1\napproval: {release: {people: 2, at_most: 7d}, break_glass: {people: 3, at_most: 4h}, loosening: {people: 2}}": {
			Consent{2, 7 * 24 * time.Hour}, Consent{3, 4 * time.Hour}, Consent{2, 0},
		},
		"version: 1\napproval: {break_glass: {people: 2}}": {Consent{1, 0}, Consent{2, 24 * time.Hour}, Consent{1, 0}},
		// Two people to release something means two people, however one calls it.
		"version: 1\napproval: {release: {people: 2}}":                             {Consent{2, 0}, Consent{2, 24 * time.Hour}, Consent{2, 0}},
		"version: 1\napproval: {release: {people: 3}, break_glass: {at_most: 1h}}": {Consent{3, 0}, Consent{3, time.Hour}, Consent{3, 0}},
		"version: 1\napproval: {release: {people: 2}, break_glass: {people: 1}}":   {Consent{2, 0}, Consent{1, 24 * time.Hour}, Consent{2, 0}},
		"version: 1\napproval: {release: {people: 2}, loosening: {people: 1}}":     {Consent{2, 0}, Consent{2, 24 * time.Hour}, Consent{1, 0}},
	} {
		p, err := Parse("p", nil, []byte(src))
		if err != nil {
			t.Errorf("%s: %v", src, err)
		} else if p.Approval() != want {
			t.Errorf("%s: %+v, want %+v", src, p.Approval(), want)
		}
	}
	if a := new(Policy).Approval(); a.Release.People != 0 || a.BreakGlass.People != 0 || a.Loosening.People != 0 {
		t.Errorf("the zero Policy: %+v", a)
	}
}

func TestWhatIsGivenByHandEnds(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	day := Consent{1, 24 * time.Hour}
	for _, c := range []struct {
		need  Consent
		asked time.Time
		want  time.Time
		wrong string
	}{
		{Consent{People: 1}, time.Time{}, time.Time{}, ""},
		{Consent{People: 1}, now.Add(9000 * time.Hour), now.Add(9000 * time.Hour), ""},
		{day, time.Time{}, now.Add(24 * time.Hour), ""},
		{day, now.Add(time.Hour), now.Add(time.Hour), ""},
		{day, now.Add(24 * time.Hour), now.Add(24 * time.Hour), ""},
		{day, now.Add(24*time.Hour + 1), time.Time{}, "lets it last 24h0m0s, which is until 2026-11-24 03:00:00 UTC"},
	} {
		got, err := c.need.Ends(now, c.asked)
		if !got.Equal(c.want) || (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%+v until %s: %s, %v", c.need, c.asked, got, err)
		}
	}
}

func TestAWayAroundSeveralPeopleIsWarnedOf(t *testing.T) {
	for src, want := range map[string]string{
		"version: 1\n": "",
		"version: 1\napproval: {release: {people: 2}}":                                                   "",
		"version: 1\napproval: {release: {people: 2}, break_glass: {people: 1, at_most: 4h}}":            "",
		"version: 1\napproval: {break_glass: {people: 2}, loosening: {people: 2}}":                       "p:2:34: break_glass takes 2 people, and an ordinary release, which lets the same through, only one person; say release: {people: 2} as well",
		"version: 1\napproval: {release: {people: 2}, break_glass: {people: 2}, loosening: {people: 1}}": "p:2:80: it takes one person to change this section, and 2 people to do what it is about; say loosening: {people: 2}",
		"version: 1\napproval: {break_glass: {people: 2}}": "p:2:11: it takes one person to change this section, and 2 people to do what it is about; say loosening: {people: 2}|" +
			"p:2:34: break_glass takes 2 people, and an ordinary release, which lets the same through, only one person; say release: {people: 2} as well",
	} {
		p, err := Parse("p", nil, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range p.Warnings(time.Now()) {
			got = append(got, w.String())
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
}

func TestTheStricterOfTwo(t *testing.T) {
	a := Approval{Consent{2, time.Hour}, Consent{1, 0}, Consent{3, 0}}
	b := Approval{Consent{1, 0}, Consent{2, time.Hour}, Consent{1, 0}}
	want := Approval{Consent{2, time.Hour}, Consent{2, time.Hour}, Consent{3, 0}}
	if a.Stricter(b) != want || b.Stricter(a) != want {
		t.Errorf("%+v, %+v", a.Stricter(b), b.Stricter(a))
	}
	if got := a.Stricter(Approval{}); got != (Approval{}) {
		t.Errorf("with the zero Approval, which nobody meets: %+v", got)
	}
}

func TestAskingForFewerPeopleIsLooser(t *testing.T) {
	strict := Approval{Consent{2, time.Hour}, Consent{2, time.Hour}, Consent{2, 0}}
	loose := Approval{Consent{1, 0}, Consent{1, 2 * time.Hour}, Consent{1, 0}}
	if got := strict.LooserThan(loose); len(got) != 0 {
		t.Errorf("the stricter one: %q", got)
	}
	want := "[a release takes one person, not 2 people a release may last for ever, not only 1h0m0s a break-glass release takes one person, not 2 people a break-glass release may last 2h0m0s, not only 1h0m0s a loosened policy takes one person, not 2 people]"
	if got := fmt.Sprint(loose.LooserThan(strict)); got != want {
		t.Errorf("%s", got)
	}
	if got := loose.LooserThan(loose); len(got) != 0 {
		t.Errorf("the same: %q", got)
	}
}
