package audit

import (
	"net/url"
	"strings"
)

const redacted = "REDACTED"

// longestBareKey is how long a part of a query without "=" may be and still pass for a key; a longer one is taken
// for a token.
const longestBareKey = 32

// RedactURL removes from a URL what may be secret: user information and the fragment go, the keys of the query stay
// and each of its values becomes "REDACTED". It does so for what is no valid URL too.
func RedactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return redactText(raw)
	}
	u.User = nil
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = redactQuery(u.RawQuery)
	return u.String()
}

func redactQuery(query string) string {
	if query == "" {
		return ""
	}
	var b strings.Builder
	for len(query) > 0 {
		end := strings.IndexAny(query, "&;")
		part, separator := query, ""
		if end >= 0 {
			part, separator = query[:end], query[end:end+1]
		}
		query = query[len(part)+len(separator):]
		key, _, pair := strings.Cut(part, "=")
		switch {
		case pair:
			b.WriteString(key + "=" + redacted)
		case len(part) > longestBareKey:
			b.WriteString(redacted)
		default:
			b.WriteString(part)
		}
		b.WriteString(separator)
	}
	return b.String()
}

// redactText does the same to text that cannot be parsed: what is before the first "@" of its authority goes.
func redactText(raw string) string {
	raw, _, _ = strings.Cut(raw, "#")
	head, query, hasQuery := strings.Cut(raw, "?")
	if scheme, rest, ok := strings.Cut(head, "//"); ok {
		authority, path, hasPath := strings.Cut(rest, "/")
		authority = authority[strings.LastIndexByte(authority, '@')+1:]
		head = scheme + "//" + authority
		if hasPath {
			head += "/" + path
		}
	}
	if hasQuery {
		head += "?" + redactQuery(query)
	}
	return head
}
