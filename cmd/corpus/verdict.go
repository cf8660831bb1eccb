package main

import (
	"regexp"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// verdict is what one side says of a sample.
type verdict struct {
	known    bool // false: there is nobody to ask
	accepted bool
	text     string // for the table
	detail   string // for -v
}

// oursOf reduces findings to one verdict: accepted is what somebody trusted vouches for and nothing is wrong with, as a
// policy that names the signer has it. The text is that of the finding which decides.
func oursOf(found []verify.Finding) verdict {
	v := verdict{known: true}
	best := -1
	for i, f := range found {
		v.detail += "\n      " + f.Status.String() + " " + f.Code + " " + f.Signer.String() + ": " + f.Detail
		if f.Subject == "" && f.Method != "none" && (best < 0 || weight(f) > weight(found[best])) {
			best = i
		}
	}
	if best < 0 {
		v.text = "nothing to say"
		return v
	}
	f := found[best]
	v.accepted = f.Status == verify.Valid && vouches(f)
	v.text = f.Status.String() + " " + f.Code
	if name := f.Signer.String(); name != "" {
		v.text += " (" + name + ")"
	}
	return v
}

func vouches(f verify.Finding) bool { return !f.Signer.IsZero() || len(f.Anchors) > 0 }

// weight orders findings by how much they decide.
func weight(f verify.Finding) int {
	switch {
	case f.Status == verify.Invalid:
		return 5
	case f.Status == verify.Valid && vouches(f):
		return 4
	case f.Status == verify.Untrusted:
		return 3
	case f.Status == verify.Inconclusive:
		return 2
	case f.Status == verify.Absent:
		return 1
	}
	return 0
}

var (
	recordedPass = regexp.MustCompile(`(?i)^[^:]*: PASS|signature[^:;]*: OK\b`)
	// What a suite expects counts, and not what a tool made of it; of several attestations all have to be good.
	recordedExpected = regexp.MustCompile(`^expected (PASS|FAIL)\b|^cosign [0-9.]+: provenance `)
	recordedFail     = regexp.MustCompile(`(?i)\bFAIL\b|\bBAD\b|NOTFOUND|NOKEY|^private CA|digest: OK`)
)

// recorded reads a verdict that the manifest has.
func recorded(text string) verdict {
	v := verdict{text: "recorded: " + firstWords(text)}
	switch {
	case recordedExpected.MatchString(text):
		v.known, v.accepted = true, !strings.Contains(firstWords(text), "FAIL")
	case text == "" || strings.HasPrefix(text, "not checked") || strings.HasPrefix(text, "signature of the"):
		v.text = "none"
	case recordedPass.MatchString(text) && !regexp.MustCompile(`\bBAD\b|NOTFOUND`).MatchString(text):
		v.known, v.accepted = true, true
	case recordedFail.MatchString(text):
		v.known = true
	}
	return v
}

// firstWords is as much of a text as a table has room for.
func firstWords(text string) string {
	for _, end := range []string{" (", "; with", " [", "; cosign"} {
		text, _, _ = strings.Cut(text, end)
	}
	if r := []rune(text); len(r) > 60 {
		text = string(r[:59]) + "…"
	}
	return text
}
