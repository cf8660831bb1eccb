package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/proxy/quarantine"
)

// unshared reports whether a response is for the one who asked: RFC 9111 sections 3 and 4.1, and any cookie.
func unshared(h http.Header) bool {
	for _, line := range h["Cache-Control"] {
		cc := strings.ToLower(line)
		if strings.Contains(cc, "private") || strings.Contains(cc, "no-store") {
			return true
		}
	}
	for _, line := range h["Vary"] {
		for field := range strings.SplitSeq(line, ",") {
			if f := strings.TrimSpace(field); f != "" && !strings.EqualFold(f, "Accept-Encoding") {
				return true
			}
		}
	}
	return len(h["Set-Cookie"]) > 0
}

// keptFields are the fields of an origin's response that go with the bytes of an update.
var keptFields = []string{
	"Content-Type", "Content-Disposition", "Content-Language", "Etag", "Last-Modified", "Cache-Control", "Expires",
	"Date", "Vary", "Content-Location", "Access-Control-Allow-Origin", "X-Content-Type-Options", "Server",
	"Strict-Transport-Security",
}

func keptHeader(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range keptFields {
		if v := h[name]; len(v) > 0 {
			kept[name] = v
		}
	}
	return kept
}

// newObject describes a response for later revalidation; nil if it gives nothing to revalidate it by.
func newObject(key string, resp *http.Response, header http.Header, now time.Time) *quarantine.Object {
	until := freshUntil(resp.Header, now)
	etag, modified := resp.Header.Get("Etag"), resp.Header.Get("Last-Modified")
	if etag == "" && modified == "" && !now.Before(until) {
		return nil
	}
	return &quarantine.Object{
		Key: key, ETag: etag, LastModified: modified, FreshUntil: until,
		Header: header, Status: resp.StatusCode, Stored: now,
	}
}

// maxFreshness bounds how long an origin's word replaces asking it.
const maxFreshness = time.Hour

// freshUntil returns until when a response may be used without asking its origin again (RFC 9111 section 4.2), by
// explicit lifetimes only, and an hour at most.
func freshUntil(h http.Header, now time.Time) time.Time {
	var life time.Duration
	explicit := false
	for _, line := range h["Cache-Control"] {
		for d := range strings.SplitSeq(strings.ToLower(line), ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(d), "=")
			switch name {
			case "no-cache", "no-store":
				return now
			case "max-age", "s-maxage":
				if n, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && (!explicit || name == "s-maxage") {
					life, explicit = time.Duration(n)*time.Second, true
				}
			}
		}
	}
	if !explicit {
		if at, err := http.ParseTime(h.Get("Expires")); err == nil {
			life = at.Sub(now)
		}
	}
	if age, err := strconv.Atoi(h.Get("Age")); err == nil && age > 0 {
		life -= time.Duration(age) * time.Second
	}
	return now.Add(max(0, min(life, maxFreshness)))
}

// fresh reports whether a remembered answer may be used without asking the origin: it says so itself, and the
// client does not insist.
func fresh(obj quarantine.Object, req *http.Request, now time.Time) bool {
	cc := strings.ToLower(req.Header.Get("Cache-Control"))
	if strings.Contains(cc, "no-cache") || strings.Contains(cc, "max-age=0") || req.Header.Get("Pragma") != "" {
		return false
	}
	return now.Before(obj.FreshUntil)
}
