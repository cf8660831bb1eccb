package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func lookupShape() *shape {
	return &shape{what: "a look-up", keys: []key{
		{"virustotal", "VirusTotal's files by SHA-256, API version 3.", false, &shape{what: "virustotal", keys: []key{
			{"key_file", "A file with the API key alone.", true, value(aFileName)},
			{"at_least", "How many engines must call a file malicious: 1 if left out.", false, value(aWhole)},
			{"url", "Another base of the API.", false, value(aServiceURL)},
		}}},
		{"hashlookup", "CIRCL's hashlookup, or another that speaks as it does.", false, &shape{what: "hashlookup", keys: []key{
			{"url", "The base of the service: the public one if left out.", false, value(aServiceURL)},
			{"min_trust", "With good: true, the least trust that counts, 0 to 100: 50 if left out.", false, value(aPercent)},
		}}},
		{"json", "Any service that answers in JSON.", false, &shape{what: "json", keys: []key{
			{"url", "Where to ask, with {sha256} where the digest goes.", true, value(aDigestURL)},
			{"key_file", "A file with a secret that is sent along.", false, value(aFileName)},
			{"header", "The field that carries the secret: Authorization if left out.", false, value(aHeaderName)},
			{"pointer", "Where the verdict is: a JSON pointer such as /data/verdict.", true, value(aPointer)},
			{"is", "The file is listed if the verdict is one of these.", false, listOf(value(aText), 1)},
			{"at_least", "The file is listed if the verdict is a number, and not less.", false, value(aNumber)},
			{"label", "Where it says what the file is: a JSON pointer.", false, value(aPointer)},
		}}},
		{"good", "The service knows what is good.", false, value(aBoolean)},
		{"unknown", "What a file is that the service does not know: not_listed (if left out), or inconclusive.", false, word("not_listed", "inconclusive")},
		{"inside", "Whether executables inside the update are asked about, too: false if left out.", false, value(aBoolean)},
		{"max_files", "The most files of one update that are asked about: 32 if left out.", false, value(aWhole)},
		{"timeout", "How long one answer may take: 5s if left out.", false, value(aDuration)},
		{"cache", "How long an answer holds: 6h if left out.", false, value(aDuration)},
		{"budget", "The most requests, such as 4/minute and 500/day; no limit if left out.", false, listOf(value(aRate), 1)},
	}}
}

var (
	aServiceURL = &scalar{what: "an https URL, or http to this machine", check: checkServiceURL}
	aDigestURL  = &scalar{what: "an https URL with {sha256} in it", check: checkDigestURL}
	aHeaderName = &scalar{what: "the name of a header field", check: checkHeaderName, pattern: `^[A-Za-z0-9-]+$`}
	aPointer    = &scalar{what: "a JSON pointer such as /data/verdict", check: checkPointer, pattern: `^/`}
	aPercent    = &scalar{what: "a whole number from 0 to 100", kind: number, check: errorOf(parsePercent), zero: true}
	aNumber     = &scalar{what: "a number such as 70 or 0.5", kind: lexical, check: errorOf(parseNumber)}
	aRate       = &scalar{what: "a number of requests in a time, such as 500/day", kind: lexical, check: errorOf(parseRate), pattern: `^[0-9]+/(second|minute|hour|day)$`}
)

func checkServiceURL(s string) error {
	u, err := parseURL(s)
	if err != nil {
		return err
	}
	if h := u.Hostname(); u.Scheme == "http" && h != "localhost" && h != "127.0.0.1" && h != "::1" {
		return fmt.Errorf("over plain http anybody on the way could answer in the service's place: use https")
	}
	return nil
}

func checkDigestURL(s string) error {
	const place = "{sha256}"
	before, _, ok := strings.Cut(s, place)
	if !ok {
		return fmt.Errorf("%s has no {sha256}, so that every file would be asked about in the same way", quote(s))
	}
	if strings.Count(strings.TrimPrefix(before, "https://"), "/") == 0 {
		return fmt.Errorf("{sha256} goes into the path or the query of %s", quote(s))
	}
	return checkServiceURL(strings.ReplaceAll(s, place, "0"))
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func checkHeaderName(s string) error {
	if !headerName.MatchString(s) {
		return fmt.Errorf("%s is no name of a header field", quote(s))
	}
	switch strings.ToLower(s) {
	case "host", "content-length", "transfer-encoding", "connection", "proxy-authorization":
		return fmt.Errorf("the field %s is not for secrets", quote(s))
	}
	return nil
}

// checkPointer implements the grammar of RFC 6901, section 3.
func checkPointer(s string) error {
	if !strings.HasPrefix(s, "/") {
		return fmt.Errorf("%s is no JSON pointer: it begins with /", quote(s))
	}
	for rest := s; ; {
		_, after, found := strings.Cut(rest, "~")
		if !found {
			return checkText(s)
		}
		if !strings.HasPrefix(after, "0") && !strings.HasPrefix(after, "1") {
			return fmt.Errorf("in %s, ~ stands for itself as ~0, and / as ~1", quote(s))
		}
		rest = after
	}
}

func parsePercent(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 100 {
		return 0, fmt.Errorf("%s is no whole number from 0 to 100", quote(s))
	}
	return n, nil
}

func parseNumber(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n != n || n-n != 0 { // neither NaN nor infinite
		return 0, fmt.Errorf("%s is no number", quote(s))
	}
	return n, nil
}

var rateUnits = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

func parseRate(s string) (Rate, error) {
	count, unit, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 1e6 || rateUnits[unit] == 0 {
		return Rate{}, fmt.Errorf("%s is no number of requests in a second, minute, hour or day, such as 500/day", quote(s))
	}
	return Rate{N: n, Per: rateUnits[unit]}, nil
}
