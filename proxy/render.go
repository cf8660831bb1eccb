package proxy

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
)

// form is the shape of an answer's body.
type form int

const (
	formText form = iota
	formJSON
	formPage
)

func (f form) mediaType() string {
	switch f {
	case formJSON:
		return "application/problem+json"
	case formPage:
		return "text/html; charset=utf-8"
	default:
		return "text/plain; charset=utf-8"
	}
}

// preferredForm reads the Accept field (RFC 9110 section 12.5.1): JSON or a page where it is named, whichever has the
// higher weight, the first of equals; else text.
func preferredForm(h http.Header) form {
	best, weight := formText, 0.0
	ranges := strings.Split(strings.Join(h["Accept"], ","), ",")
	for _, r := range ranges[:min(len(ranges), 64)] {
		kind, params, _ := strings.Cut(r, ";")
		f := formOf(strings.ToLower(strings.TrimSpace(kind)))
		if q := quality(params); f != formText && q > weight {
			best, weight = f, q
		}
	}
	return best
}

func formOf(mediaType string) form {
	switch {
	case strings.HasSuffix(mediaType, "/json"), strings.HasSuffix(mediaType, "+json"):
		return formJSON
	case mediaType == "text/html", mediaType == "application/xhtml+xml":
		return formPage
	default:
		return formText
	}
}

// quality returns the weight among the parameters of a media range, 1 where there is none and 0 where it is malformed.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}

// problem is the body of a refusal: application/problem+json with members of our own (RFC 9457 section 3), and what
// the page and the text show.
type problem struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail,omitempty"`
	Channel string `json:"channel,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Record  string `json:"record,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Policy  string `json:"policy,omitempty"`
	Release string `json:"release,omitempty"` // how to ask for a release
	// Changes are sentences about what is different from the release before and counts against this one.
	Changes []string `json:"changes,omitempty"`
}

func (f refusal) problem() problem {
	p := problem{
		Type: problemBase + f.Kind, Status: f.Status,
		Title: printable.Text(f.Title, 100), Detail: printable.Text(f.Detail, 1000),
		Channel: printable.Text(f.Channel, 200), Rule: printable.Text(f.Rule, 200), Record: printable.Text(f.Record, 100),
		Release: f.howToAsk(), Changes: f.Changes,
	}
	if !f.SHA256.IsZero() {
		p.SHA256 = f.SHA256.String()
	}
	if !f.Policy.IsZero() {
		p.Policy = "sha256:" + f.Policy.String()
	}
	return p
}

// howToAsk says what a person can do about the refusal.
func (f refusal) howToAsk() string {
	record := ""
	if len(f.Record) <= 100 && strings.Trim(f.Record, recordLetters) == "" {
		record = f.Record // it stands in a command here
	}
	switch {
	case f.Kind == kindQuarantined && record != "" && !f.Ripe.IsZero():
		return "It is let through by itself from " + policy.RipeFrom(f.Ripe) + " on, if nothing but time passes: try again then. If it must pass before, give the record " + record +
			" to whoever runs this proxy; they can let it through with: sallyport quarantine release " + record + " --reason WHY"
	case f.Kind == kindQuarantined && record != "":
		return "Give the record " + record + " to whoever runs this proxy; they can look at the file and let it through with: sallyport quarantine release " + record + " --reason WHY"
	case f.Kind == kindBlocked && record != "":
		return "The file was not kept. If it must pass, give the record " + record + " to whoever runs this proxy: the policy would have to change."
	case f.Kind == kindDenied && f.Rule == "":
		return "If this must pass, show this answer to whoever runs this proxy: what the proxy may reach would have to change."
	case f.Kind == kindBlocked, f.Kind == kindQuarantined, f.Kind == kindDenied:
		return "If this must pass, show this answer to whoever runs this proxy: the policy would have to change."
	default:
		return ""
	}
}

// recordLetters are what ids of records are made of.
const recordLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

// body renders a settled refusal.
func (f refusal) body(as form) []byte {
	p := f.problem()
	switch as {
	case formJSON:
		b, err := json.MarshalIndent(p, "", "  ")
		if err == nil {
			return append(b, '\n')
		}
		return p.text()
	case formPage:
		return page("refusal.html", p)
	default:
		return p.text()
	}
}

func (p problem) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Sallyport: %s\n", p.Title)
	type line struct{ name, value string }
	lines := []line{{"", p.Detail}}
	for _, c := range p.Changes {
		lines = append(lines, line{"changed: ", c})
	}
	lines = append(lines, line{"type: ", p.Type}, line{"channel: ", p.Channel}, line{"rule: ", p.Rule},
		line{"record: ", p.Record}, line{"sha256: ", p.SHA256}, line{"policy: ", p.Policy}, line{"", p.Release})
	for _, line := range lines {
		if line.value != "" {
			b.WriteString(line.name + line.value + "\n")
		}
	}
	return b.Bytes()
}

//go:embed pages/*.html
var pageFiles embed.FS

var pageTemplates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// pagePolicy lets our pages load nothing and be framed by nobody; their one style sheet is inline.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page renders one of the embedded pages. They are escaped by html/template.
func page(name string, data any) []byte {
	var b bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&b, name, data); err != nil {
		return []byte("<!doctype html><title>Sallyport</title><p>This page could not be shown.\n")
	}
	return b.Bytes()
}

// waitingPage renders the page that asks again after so many seconds.
func waitingPage(w waiting, again int) []byte {
	view := struct {
		Name, Stage, Received, Total string
		Known                        bool
		Part, Again                  int
	}{
		Name: printable.Text(w.Name, 120), Stage: printable.Text(w.Stage, 120),
		Received: humanize.IBytes(uint64(max(w.Received, 0))), Total: humanize.IBytes(uint64(max(w.Total, 0))),
		Known: w.Total > 0, Again: again,
	}
	if view.Known {
		view.Part = int(min(100, max(0, w.Received)*100/w.Total))
	}
	return page("waiting.html", view)
}

// shown returns what a stranger wrote, fit for the log.
func shown(s string) string { return printable.Text(s, 300) }
