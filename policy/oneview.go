package policy

import (
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/internal/versions"
)

// oneView asks that the origin gives everybody the same bytes: nobody was given others as the same version under the same URL, and a second
// look, where one is asked for, finds the same.
type oneView struct{ second bool }

// String implements requirement.
func (r *oneView) String() string {
	s := "the same bytes for everybody"
	if r.second {
		s += ", also at a second look"
	}
	return s
}

func (r *oneView) sidecars() bool { return false }

func (r *oneView) inside() bool { return false }

func (r *oneView) refers(func(*anchor)) {}

// judge implements requirement.
func (r *oneView) judge(e *evidence) (outcome, string) {
	label := "one_view: "
	if e.index() {
		return holds, label + notForMetadata
	}
	o, why := r.compare(e)
	return o, label + why
}

func (r *oneView) compare(e *evidence) (outcome, string) {
	if !e.known() {
		return undecided, "the history of this gate is not known"
	}
	h := &e.facts.History
	same, second := e.secondLook()
	if same == fails {
		return fails, second
	}
	var unsure *View
	for i := range h.Views {
		v := &h.Views[i]
		if v.SHA256 == e.sum {
			continue
		}
		switch e.contradicts(v) {
		case holds:
			return fails, v.sentence()
		case undecided:
			unsure = v
		}
	}
	switch {
	case h.Private:
		return undecided, "the origin gives an answer for this client alone, so that it cannot be told what others are given"
	case r.second && same != holds:
		return undecided, second
	case unsure != nil && same != holds:
		return undecided, unsure.sentence() + ", and it cannot be told whether that was another version"
	}
	why := "nobody is known to have been given other bytes as this version under this URL"
	if same == holds {
		why += ", and " + second
	}
	return holds, why
}

// secondLook says what a second answer of the origin was: holds, the same.
func (e *evidence) secondLook() (outcome, string) {
	s := &e.facts.History.Second
	switch {
	case !s.Asked && s.Failed == "":
		return undecided, "the origin was not asked a second time"
	case s.Failed != "":
		return undecided, "the origin could not be asked a second time: " + printable.Text(s.Failed, 300)
	case s.SHA256.IsZero():
		return undecided, "it is not known what the origin gave at a second look"
	case s.SHA256 == e.sum:
		return holds, "the origin gave the same at a second look"
	}
	return fails, "the origin gave other bytes at a second look (sha256 " + s.SHA256.String() + ")"
}

// contradicts reports whether other bytes are another view of this update (holds), another one (fails), or whether that
// cannot be told. A URL that always leads to the latest release gives new bytes with each; one that names the version does not. The same version
// under another URL is meant only where the channel says what its product is, since many are published in several builds.
func (e *evidence) contradicts(v *View) outcome {
	ed := e.sawEdition()
	switch v.Same {
	case "url+version", "asked+version":
		return holds
	case "version":
		if c := e.policy.channelName[e.channel]; c != nil && (c.product != "" || c.version != nil) {
			return holds
		}
		return fails
	case "url":
		if e.facts.Request.URL == nil {
			return mutable(&ed, "")
		}
		return mutable(&ed, fileName(e.facts.Request, Update{}))
	case "asked":
		return mutable(&ed, e.facts.History.Asked)
	}
	return undecided
}

// mutable says of other bytes, with another or an unknown version, under a URL of this update that ends in name whether they are another
// view of it. They are if the name has the version in it; they are not if it has none and this version is known.
func mutable(ed *Edition, name string) outcome {
	from, to, ok := versions.Find(name)
	switch {
	case !ok && ed.Version != "":
		return fails
	case !ok:
		return undecided
	case sameVersion(ed.Version, name[from:to]):
		return holds
	case ed.Version != "" && strings.HasPrefix(ed.Version, name[from:to]+"."):
		return undecided // python-3.13.exe may stand for every 3.13.x
	}
	return holds
}

// sameVersion reports whether two spellings are of one version: installers say 2.0.0.0 of what is called 2.0.
func sameVersion(a, b string) bool {
	order, ok := versions.Of("name")(a, b)
	return ok && order == 0
}

// sentence says what was seen.
func (v *View) sentence() string {
	s := map[string]string{
		"url": "under this URL", "version": "as this version", "url+version": "as this version under this URL",
		"asked": "under the URL that was asked for", "asked+version": "as this version under the URL that was asked for",
	}[v.Same]
	if s == "" {
		s = "under this name"
	}
	whom := "were given"
	if v.Others {
		whom = "were given to others"
	}
	out := fmt.Sprintf("other bytes %s %s (sha256 %s", whom, s, v.SHA256)
	if !v.First.IsZero() {
		out += ", first on " + minute(v.First)
	}
	if v.Record != "" {
		out += ", record " + printable.Text(v.Record, 80)
	}
	return out + ")"
}
