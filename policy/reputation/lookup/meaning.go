package lookup

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// said is what counts of an answer. It is kept instead of the answer itself, which may be large.
type said struct {
	Malicious int    `json:"malicious,omitempty"` // virustotal: engines
	Engines   int    `json:"engines,omitempty"`
	Trust     int    `json:"trust,omitempty"` // hashlookup
	Bad       bool   `json:"bad,omitempty"`
	Special   bool   `json:"special,omitempty"`
	Verdict   string `json:"verdict,omitempty"` // json
	Number    bool   `json:"number,omitempty"`  // the verdict is one
	Label     string `json:"label,omitempty"`
}

const maxLabel = 200

// understand reads an answer about a file. One that does not say what it has to, or speaks of another file, is an error: a service that
// has changed its ways must not make every file look fine.
func understand(def *policy.Lookup, d verify.Digest, body []byte) (said, error) {
	switch def.Service {
	case "virustotal":
		return virusTotalSaid(d, body)
	case "hashlookup":
		return hashlookupSaid(d, body)
	}
	return jsonSaid(def, body)
}

// listed says whether what was said puts the file on the list that the service is under a definition, and with which label.
func (s *said) listed(def *policy.Lookup) (label string, listed bool) {
	switch def.Service {
	case "virustotal":
		label = fmt.Sprintf("%d of %d engines call it malicious", s.Malicious, s.Engines)
		if s.Label != "" {
			label += " (" + s.Label + ")"
		}
		return label, s.Malicious >= max(def.AtLeast, 1)
	case "hashlookup":
		if !def.Good {
			return "known to be malicious: " + s.Label, s.Bad
		}
		return fmt.Sprintf("%s, trust %d of 100", s.Label, s.Trust), !s.Bad && !s.Special && s.Trust >= def.MinTrust
	}
	label = s.Verdict
	if s.Label != "" {
		label += ": " + s.Label
	}
	if len(def.Answer.Is) > 0 {
		return label, slices.Contains(def.Answer.Is, s.Verdict)
	}
	number, err := strconv.ParseFloat(s.Verdict, 64)
	return label, err == nil && s.Number && number >= def.Answer.AtLeast
}

// virusTotalSaid reads a file object of VirusTotal's API, version 3.
func virusTotalSaid(d verify.Digest, body []byte) (said, error) {
	var o struct {
		Data struct {
			Type       string `json:"type"`
			Attributes struct {
				SHA256         string         `json:"sha256"`
				Stats          map[string]int `json:"last_analysis_stats"`
				Classification struct {
					Label string `json:"suggested_threat_label"`
				} `json:"popular_threat_classification"`
			} `json:"attributes"`
		} `json:"data"`
	}
	if err := decode(body, &o); err != nil {
		return said{}, err
	}
	if err := isAbout(d, o.Data.Attributes.SHA256); err != nil {
		return said{}, err
	}
	stats := o.Data.Attributes.Stats
	malicious, ok := stats["malicious"]
	if !ok || o.Data.Type != "file" {
		return said{}, errors.New("its answer holds no result of an analysis")
	}
	engines := 0
	for _, word := range []string{"malicious", "suspicious", "undetected", "harmless"} {
		if stats[word] < 0 {
			return said{}, errors.New("its answer holds a negative count of engines")
		}
		engines += stats[word]
	}
	if engines == 0 {
		return said{}, errors.New("no engine has judged the file")
	}
	return said{Malicious: malicious, Engines: engines, Label: printable.Text(o.Data.Attributes.Classification.Label, maxLabel)}, nil
}

// hashlookupSaid reads an object of hashlookup.
func hashlookupSaid(d verify.Digest, body []byte) (said, error) {
	var o struct {
		FileName  string          `json:"FileName"`
		SHA256    string          `json:"SHA-256"`
		Special   string          `json:"SpecialCode"`
		Trust     json.Number     `json:"hashlookup:trust"`
		Malicious json.RawMessage `json:"KnownMalicious"`
	}
	if err := decode(body, &o); err != nil {
		return said{}, err
	}
	if err := isAbout(d, o.SHA256); err != nil {
		return said{}, err
	}
	trust, err := strconv.Atoi(o.Trust.String())
	s := said{Trust: trust, Special: o.Special != "", Label: printable.Text(o.FileName, maxLabel)}
	if o.Malicious != nil && string(o.Malicious) != "null" && string(o.Malicious) != "false" {
		s.Bad, s.Label = true, printable.Text(strings.Trim(string(o.Malicious), `"`), maxLabel)
	}
	if !s.Bad && (err != nil || trust < 0 || trust > 100) {
		return said{}, errors.New("its answer holds no hashlookup:trust from 0 to 100")
	}
	return s, nil
}

// isAbout refuses an answer that names another file than was asked about. One that names none is taken.
func isAbout(d verify.Digest, named string) error {
	if named != "" && !strings.EqualFold(named, d.String()) {
		return errors.New("its answer is about another file")
	}
	return nil
}

// jsonSaid looks for the verdict where the policy says that it is.
func jsonSaid(def *policy.Lookup, body []byte) (s said, err error) {
	var document any
	if err := decode(body, &document); err != nil {
		return s, err
	}
	place := printable.Text(def.Answer.Pointer, 100)
	value, ok := at(document, def.Answer.Pointer)
	if !ok {
		return s, fmt.Errorf("its answer has nothing at %s", place)
	}
	if s.Verdict, ok = scalar(value); !ok || len(s.Verdict) > maxVerdict {
		return s, fmt.Errorf("what its answer has at %s is no single value of at most %d bytes", place, maxVerdict)
	}
	if _, s.Number = value.(json.Number); !s.Number && len(def.Answer.Is) == 0 {
		return s, fmt.Errorf("what its answer has at %s is no number", place)
	}
	if v, ok := at(document, def.Answer.Label); ok && def.Answer.Label != "" {
		text, _ := scalar(v)
		s.Label = printable.Text(text, maxLabel)
	}
	return s, nil
}

// maxVerdict bounds a verdict, in bytes.
const maxVerdict = 1024

// scalar returns a single value as JSON writes it, texts without their quotes.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// at returns what a JSON pointer leads to (RFC 6901, section 4).
func at(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	for _, part := range strings.Split(pointer[1:], "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch of := v.(type) {
		case map[string]any:
			next, ok := of[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(of) || strconv.Itoa(i) != part {
				return nil, false
			}
			v = of[i]
		default:
			return nil, false
		}
	}
	return v, true
}
