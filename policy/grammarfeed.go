package policy

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
)

func feedShape() *shape {
	return &shape{what: "a feed", keys: []key{
		{"file", "The list, relative to the policy file.", false, value(aFileName)},
		{"url", "Where the list is published; http only with sha256.", false, value(aWebURL)},
		{"format", "How the list is written; what it looks like if left out.", false, word(feedFormats...)},
		{"column", "The column of a csv list with the values: its name, or its number from 1.", false, value(aColumn)},
		{"values", "What the values of a plain or csv list are; what they look like if left out.", false, word(feedValues...)},
		{"good", "The list is of what is known to be good.", false, value(aBoolean)},
		{"seen", "The list is of what other gates have seen, and since when; min_age looks into it.", false, value(aBoolean)},
		{"vulnerabilities", "The list says which versions of packages are vulnerable (osv).", false, value(aBoolean)},
		{"exploited", "The list says which vulnerabilities are exploited (kev), or all that it describes are (osv).", false, value(aBoolean)},
		{"refresh", "How often the list is looked for: 1h if left out, at least 1m; a file all the time.", false, value(aDuration)},
		{"timeout", "How long one answer may take; 10m if left out.", false, value(aDuration)},
		{"sha256", "The digest of the only list that is taken.", false, value(aDigest)},
		{"sha256_url", "Where the digest of the present list is published; may be relative to url.", false, value(aReference)},
		{"max_size", "The most bytes that the list may have; 256MiB if left out.", false, value(aSize)},
		{"max_entries", "The most entries that it may have; 20 million if left out.", false, value(aWhole)},
		{"max_unreadable", "The share of entries that may be unreadable; 0.01 if left out.", false, value(aShare)},
		{"max_shrink", "The share of entries that a list of 1,000 or more may lose at once; 0.5 if left out.", false, value(aShare)},
		{"allow_empty", "A list from a URL may have no entries.", false, value(aBoolean)},
		{"max_stale", "How long ago the list may last have been known to be the present one.", false, value(aDuration)},
		{"max_age", "How old the date may be that the list gives itself.", false, value(aDuration)},
		{"on_stale", "What a list is worth that is older: inconclusive (if left out), or use it all the same.", false, word("inconclusive", "use")},
	}}
}

// feedsShape is feeds that update and contents are looked up in: a list of their names, or a mapping that says more.
func feedsShape() *shape {
	return &shape{least: 1, list: value(aFeedName), keys: []key{
		{"feeds", "The feeds to look into.", true, listOf(value(aFeedName), 1)},
		{"inside", "Whether the update is opened for this, to look up what is inside: true if left out.", false, value(aBoolean)},
	}}
}

var (
	feedFormats = []string{"plain", "csv", "stix", "misp", "osv", "hashlookup", "kev"}
	feedValues  = []string{"file", "certificate", "serial", "url", "domain", "host", "package"}
	listedKinds = []string{"sha256", "sha512", "sha1", "md5", "cert-sha256", "cert-sha1", "cert-serial", "url", "domain", "host", "package"}
)

var (
	aFeedName  = &scalar{what: "the name of a feed", check: checkFeedName, pattern: feedNamePattern.String()}
	aColumn    = &scalar{what: "the name of a column, or its number", kind: lexical, check: checkText}
	aReference = &scalar{what: "a URL, which may be relative", check: checkReference}
	aShare     = &scalar{what: "a share from 0 to 1, such as 0.05", kind: fraction, check: errorOf(parseShare)}
)

var feedNamePattern = regexp.MustCompile(`^[a-z0-9_][a-z0-9._-]{0,63}$`)

func checkFeedName(s string) error {
	if !feedNamePattern.MatchString(s) {
		return fmt.Errorf("%s is no name of a feed: it has 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins with neither dot nor dash", quote(s))
	}
	return nil
}

func checkReference(s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%s is no http or https URL", quote(s))
	}
	return checkText(s)
}

func parseShare(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0 && n <= 1) {
		return 0, fmt.Errorf("%s is no share from 0 to 1", quote(s))
	}
	return n, nil
}

// feedStatusShape is the states of feeds in a test.
func feedStatusShape() *shape { return &shape{names: word("ok", "stale", "never"), naming: aFeedName} }

func listingShape() *shape {
	return &shape{what: "a listing", keys: []key{
		{"feed", "The feed that names it.", true, value(aFeedName)},
		{"path", "The inner file that is named; the update itself if left out.", false, value(aText)},
		{"kind", "What is named; sha256 if left out.", false, word(listedKinds...)},
		{"value", "What the feed names; the update's digest if left out.", false, value(aText)},
		{"label", "What the feed says of it.", false, value(aText)},
		{"listed", "Since when.", false, value(aMoment)},
		{"unclear", "It cannot be told whether just this version is meant.", false, value(aBoolean)},
	}}
}
