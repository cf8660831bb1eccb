package policy

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// The kinds of single values that the language has.
var (
	aVersion = &scalar{what: "the number 1", kind: number, check: func(s string) error {
		if s != "1" {
			return fmt.Errorf("this version reads policies of version 1, this one says %s", quote(s))
		}
		return nil
	}}
	aBoolean        = &scalar{what: "true or false", kind: truth}
	aCount          = &scalar{what: "a whole number from 1", kind: number, check: errorOf(parseCount)}
	aText           = &scalar{what: "text", check: checkText}
	aFileName       = &scalar{what: "the name of a file", check: checkText}
	aChannelName    = &scalar{what: "a name of a-z, 0-9, dot, dash and underscore", check: checkName, pattern: `^[a-z0-9._-]+$`}
	aDefinedName    = &scalar{what: aChannelName.what, check: checkName, pattern: aChannelName.pattern} // of what a policy or fragment defines
	aDuration       = &scalar{what: "a duration such as 25s, 72h or 14d", kind: lexical, check: errorOf(parseDuration), pattern: `^[0-9]`}
	aHoldMax        = &scalar{what: "a duration such as 25s", kind: lexical, check: checkHoldMax, pattern: `^[0-9]`}
	aMoment         = &scalar{what: "a date such as 2026-12-31 or a time such as 2026-12-31T18:00:00Z", kind: lexical, check: errorOf(parseMoment), pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}`}
	aDigest         = &scalar{what: "a SHA-256 digest", kind: lexical, check: checkDigest, pattern: `^(sha256:)?[0-9A-Fa-f]{64}$`}
	aCountry        = &scalar{what: "a country of two capital letters, such as DE", check: checkCountry, pattern: `^[A-Z]{2}$`}
	aFingerprint    = &scalar{what: "hexadecimal digits", kind: lexical, check: checkHex, pattern: `^[0-9A-Fa-f]+$`}
	aBareKey        = &scalar{what: "a public key of minisign or signify", check: errorOf(parseBareKey), pattern: `^RW[A-Za-z0-9+/=]{54}$`}
	aHost           = &scalar{what: "a host name", kind: lexical, check: errorOf(parseHostPattern)}
	aPort           = &scalar{what: "a port, or host:port", kind: lexical, check: errorOf(parsePortRule)}
	aPathGlob       = &scalar{what: "a glob on the path", check: checkPathGlob}
	aWhole          = &scalar{what: "a whole number from 1", kind: number, check: errorOf(parseWhole)}
	anInnerGlob     = &scalar{what: "a glob on the path inside", check: checkInnerGlob}
	aSize           = &scalar{what: "a number of bytes such as 500MB or 2GiB", kind: lexical, check: errorOf(parseSize), pattern: `^[0-9]`}
	aFormat         = &scalar{what: "the name of a format such as msi", kind: lexical, check: checkFormat, pattern: `^[a-z0-9]+$`}
	aStarText       = &scalar{what: "text, with * for any text", check: checkText}
	aRegexp         = &scalar{what: "a regular expression", check: checkRegexp}
	aThreshold      = &scalar{what: "a whole number from 0", kind: number, check: errorOf(parseThreshold), zero: true}
	aKey            = &scalar{what: "a public key in PEM, or a file of it", check: checkText}
	aBaseURL        = &scalar{what: "an http or https URL below which files are found", check: errorOf(parseBase)}
	aFreeze         = &scalar{what: "a date such as 2026-12-31, a time such as 2026-12-31T18:00Z, or none", kind: lexical, check: checkFreeze, pattern: `^([0-9]{4}-[0-9]{2}-[0-9]{2}|none$)`}
	aSystem         = &scalar{what: "the name of a system of versions, such as deb, rpm, pe, msi, npm or pypi", check: checkSystem}
	aTally          = &scalar{what: "a whole number from 0", kind: number, check: errorOf(parseTally), zero: true}
	aRefresh        = &scalar{what: "a duration such as 10m", kind: lexical, check: checkRefresh, pattern: `^[0-9]`}
	aRepository     = &scalar{what: "the name of a repository", check: checkRepository, pattern: `^[A-Za-z0-9][A-Za-z0-9._-]*$`}
	aBundlePlace    = &scalar{what: "the template of a URL, or a folder", check: checkBundlePlace}
	aPredicate      = &scalar{what: "slsa, vsa, npm-publish, github-release, publish or the URI of a type", check: checkPredicate}
	aVersionPattern = &scalar{what: "the name of a file with {version} in it", check: errorOf(parseVersionPattern)}
	aWildcardText   = &scalar{what: "text, with * and ? as wildcards", check: checkText}
	aWebURL         = &scalar{what: "an http or https URL", check: errorOf(parseURL)}
	aMember         = &scalar{what: "an address, a network such as 10.20.0.0/16, or user:NAME", kind: lexical, check: errorOf(parseMember)}
	aClient         = &scalar{what: "an address, or user:NAME", kind: lexical, check: errorOf(parseClient)}
)

// errorOf makes a check of a function that reads a value.
func errorOf[T any](parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		_, err := parse(s)
		return err
	}
}

const maxText = 4096 // bytes of a single value

func checkText(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("this is empty")
	case len(s) > maxText:
		return fmt.Errorf("this has %d bytes, the most is %d", len(s), maxText)
	}
	return nil
}

var namePattern = regexp.MustCompile(`^[a-z0-9._-]{1,128}$`)

func checkName(s string) error {
	if !namePattern.MatchString(s) {
		return fmt.Errorf("%s is no name: a name has 1 to 128 of a-z, 0-9, dot, dash and underscore", quote(s))
	}
	return nil
}

var repositoryPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func checkRepository(s string) error {
	if !repositoryPattern.MatchString(s) {
		return fmt.Errorf("%s is no name of a repository: it has 1 to 128 of letters, digits, dot, dash and underscore, a letter or digit first", quote(s))
	}
	return nil
}

var hexPattern = regexp.MustCompile(`^[0-9A-Fa-f]{8,128}$`)

func checkHex(s string) error {
	if !hexPattern.MatchString(s) {
		return fmt.Errorf("%s is no fingerprint: write 8 to 128 hexadecimal digits", quote(s))
	}
	return nil
}

var formatPattern = regexp.MustCompile(`^[a-z0-9]{1,32}$`)

func checkFormat(s string) error {
	if !formatPattern.MatchString(s) {
		return fmt.Errorf("%s is no name of a format: write a-z and digits, such as msi", quote(s))
	}
	return nil
}

var countryPattern = regexp.MustCompile(`^[A-Z]{2}$`)

func checkCountry(s string) error {
	if !countryPattern.MatchString(s) {
		return fmt.Errorf("%s is no country: write two capital letters, such as DE", quote(s))
	}
	return nil
}

func checkDigest(s string) error {
	if _, err := verify.ParseDigest(s); err != nil {
		return fmt.Errorf("%s is no SHA-256 digest, which has 64 hexadecimal digits", quote(s))
	}
	return nil
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1000 {
		return 0, fmt.Errorf("%s is no whole number from 1 to 1000", quote(s))
	}
	return n, nil
}

var daysPattern = regexp.MustCompile(`^([0-9]{1,5})([dw])$`)

// parseDuration reads a positive duration: what Go reads, and whole days and weeks.
func parseDuration(s string) (time.Duration, error) {
	if m := daysPattern.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		unit := 24 * time.Hour
		if m[2] == "w" {
			unit *= 7
		}
		if n == 0 || time.Duration(n) > math.MaxInt64/unit {
			return 0, fmt.Errorf("%s is no usable duration", quote(s))
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is no duration: write a number and one of s, m, h, d, w, such as 25s or 14d", quote(s))
	case d <= 0:
		return 0, fmt.Errorf("the duration %s is not above zero", quote(s))
	}
	return d, nil
}

const (
	minHold = time.Second
	maxHold = 10 * time.Minute
)

func checkHoldMax(s string) error {
	d, err := parseDuration(s)
	if err == nil && (d < minHold || d > maxHold) {
		err = fmt.Errorf("a client can be kept waiting between %s and %s, not %s", minHold, maxHold, quote(s))
	}
	return err
}

// parseMoment reads a date, which means its last nanosecond (UTC), or a time.
func parseMoment(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t.AddDate(0, 0, 1).Add(-1), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04Z07:00", s)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is no date: write one such as 2026-12-31, or a time such as 2026-12-31T18:00:00Z", quote(s))
	}
	return t.UTC(), nil
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Opaque != "" || u.User != nil {
		return nil, fmt.Errorf("%s is no http or https URL", quote(s))
	}
	if _, err := normalHost(u.Hostname()); err != nil {
		return nil, fmt.Errorf("%s is no http or https URL: %w", quote(s), err)
	}
	return u, nil
}

// aDay is a date in full.
var aDay = &scalar{what: "a date such as 2026-11-30", kind: lexical, pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, check: func(s string) error {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return fmt.Errorf("%s is no date: write one such as 2026-11-30", quote(s))
	}
	return nil
}}
