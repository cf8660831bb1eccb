package proxy

import (
	"crypto/sha256"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// How far, how long and how often a redirect carries its channel.
const (
	redirectHops   = 5
	redirectLife   = 10 * time.Minute
	redirectScopes = 8       // channels carried to one URL
	redirectsEach  = 8 << 10 // URLs remembered for one client
	redirectsMax   = 64 << 10
	redirectSweep  = 10 * time.Second // between two searches for what has expired
	redirectOrigin = 2 << 10          // bytes of the longest URL that is remembered as where a redirect began
	redirectWay    = 16               // URLs on all ways by which one channel led a client to one URL
	redirectBytes  = 16 << 20         // of such URLs for one client
	redirectTotal  = 128 << 20
)

// redirects remembers where channels have redirected clients: the channel is carried to that very URL, for that
// client, and the target's host is inspected for it meanwhile. Nothing is forgotten before its time, since a redirect
// that is forgotten leads around the gate: where there is no room, the next redirect is refused.
type redirects struct {
	now   func() time.Time
	mu    sync.Mutex
	by    map[policy.Client]*led
	count int
	bytes int // of the URLs in by
	swept time.Time
}

// led is where one client was led to.
type led struct {
	targets map[verify.Digest][]redirect // by targetKey
	hosts   map[string]time.Time         // until when they are inspected
	bytes   int                          // of the URLs in targets
}

// redirect is a scope that was carried to a URL.
type redirect struct {
	scope  string
	hops   int
	until  time.Time
	origin *url.URL   // where it began: the last URL on the way that a channel names
	first  *url.URL   // what was asked for first on the way; nil if it is too long to be kept
	way    []*url.URL // all URLs on all the ways there, without queries, each once: a later way does not undo an earlier one
}

// size is how many bytes its URLs have. What entries share is counted for each.
func (e redirect) size() int {
	n := 0
	for _, u := range append(e.way[:len(e.way):len(e.way)], e.origin, e.first) {
		if u != nil {
			n += len(u.Host) + len(u.Path) + len(u.RawPath) + len(u.RawQuery)
		}
	}
	return n
}

func newRedirects(now func() time.Time) *redirects {
	return &redirects{now: now, by: map[policy.Client]*led{}}
}

// carriedTo returns the channels that redirects carry to u for c: all that led there, so that a lax channel does not
// take the place of a strict one. Asking makes them last: a client that is kept waiting, or resumes, asks where it was led to.
func (r *redirects) carriedTo(c policy.Client, u *url.URL) []policy.Carried {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.by[c]
	if l == nil {
		return nil
	}
	now := r.now()
	entries := l.targets[targetKey(u)]
	var carried []policy.Carried
	for i, e := range entries {
		if !now.After(e.until) {
			entries[i].until = now.Add(redirectLife)
			l.hosts[hostOf(u)] = entries[i].until
			carried = append(carried, policy.Carried{Scope: e.scope})
		}
	}
	return carried
}

// cameFrom returns where the last redirect to u began for c, and all that c asked for on the way there, the first request first;
// nil if there was none. If there were several ways, it is what was asked for on any: nobody can tell which of them c is on, and
// whoever serves the files can have some other request of the client's, for a signature say, lead to the same place.
func (r *redirects) cameFrom(c policy.Client, u *url.URL) (origin *url.URL, way []*url.URL) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.by[c]
	if l == nil {
		return nil, nil
	}
	entries := current(l.targets[targetKey(u)], r.now())
	return latest(entries).origin, ways(entries)
}

// began returns what c asked for first on the last way to u; nil if there was none.
func (r *redirects) began(c policy.Client, u *url.URL) *url.URL {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.by[c]; l != nil {
		return latest(current(l.targets[targetKey(u)], r.now())).first
	}
	return nil
}

// latest returns that of the entries which was made last.
func latest(entries []redirect) redirect {
	var last redirect
	for _, e := range entries {
		if !e.until.Before(last.until) {
			last = e
		}
	}
	return last
}

// carry remembers that a channel redirected c from one URL to another, at the end of a way that began at origin. It
// returns why that cannot be, or "".
func (r *redirects) carry(c policy.Client, from, to *url.URL, scope string, origin *url.URL) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	l := r.by[c]
	if l == nil {
		l = &led{targets: map[verify.Digest][]redirect{}, hosts: map[string]time.Time{}}
	}
	entry := redirect{scope: scope, hops: 1, until: now.Add(redirectLife), origin: withoutSecrets(origin), first: withoutSecrets(from)}
	before := current(l.targets[targetKey(from)], now)
	if len(before) > 0 {
		entry.first = latest(before).first
	}
	for _, e := range before {
		entry.hops = max(entry.hops, e.hops+1)
	}
	entry.way = further(ways(before), from)
	if entry.hops > redirectHops {
		return "after 5 redirects already"
	}
	key := targetKey(to)
	known, had := l.targets[key]
	var kept []redirect
	for _, e := range current(known, now) {
		if e.scope == scope {
			entry.way = joined(e.way, entry.way)
		} else {
			kept = append(kept, e)
		}
	}
	if len(kept) >= redirectScopes {
		return "where too many other channels lead already"
	}
	if r.full(l, had, entry.size()) {
		r.sweep(now)
		if r.full(l, had, entry.size()) {
			return "and there have been more redirects in the last minutes than can be followed"
		}
	}
	r.put(l, key, append(kept, entry))
	l.hosts[hostOf(to)] = entry.until
	r.by[c] = l
	return ""
}

// full reports whether there is no room for another entry, of so many bytes, under a key that there is already or not.
func (r *redirects) full(l *led, had bool, size int) bool {
	return !had && (len(l.targets) >= redirectsEach || r.count >= redirectsMax) ||
		l.bytes+size > redirectBytes || r.bytes+size > redirectTotal
}

// put has the entries take the place of those that there are under a key. No entries are none.
func (r *redirects) put(l *led, key verify.Digest, entries []redirect) {
	before, had := l.targets[key]
	n := 0
	for _, e := range entries {
		n += e.size()
	}
	for _, e := range before {
		n -= e.size()
	}
	l.bytes, r.bytes = l.bytes+n, r.bytes+n
	switch {
	case len(entries) > 0:
		l.targets[key] = entries
		if !had {
			r.count++
		}
	case had:
		delete(l.targets, key)
		r.count--
	}
}

// ways returns what was asked for on the ways of all entries.
func ways(entries []redirect) []*url.URL {
	var way []*url.URL
	for _, e := range entries {
		way = joined(way, e.way)
	}
	return way
}

// joined returns the URLs of two ways, each once, without the earliest if they are too many.
func joined(earlier, later []*url.URL) []*url.URL {
	in := map[string]bool{}
	for _, u := range later {
		in[canonicalURL(u)] = true
	}
	var out []*url.URL
	for _, u := range earlier {
		if !in[canonicalURL(u)] {
			out = append(out, u)
		}
	}
	if len(out) == 0 {
		return later
	}
	out = append(out, later...)
	return out[max(0, len(out)-redirectWay):]
}

// withoutSecrets returns a copy of a URL that holds no credentials; nil if it is too long to be kept.
func withoutSecrets(u *url.URL) *url.URL {
	if len(u.Host)+len(u.Path)+len(u.RawPath)+len(u.RawQuery) > redirectOrigin {
		return nil
	}
	return &url.URL{ // of copies, so that no longer text is kept that these are parts of
		Scheme: strings.Clone(u.Scheme), Host: strings.Clone(u.Host), Path: strings.Clone(u.Path), RawPath: strings.Clone(u.RawPath),
		RawQuery: strings.Clone(u.RawQuery), ForceQuery: u.ForceQuery, OmitHost: u.OmitHost, Opaque: strings.Clone(u.Opaque),
	}
}

// further adds a URL to a way. One that is too long to be kept is left out.
func further(way []*url.URL, u *url.URL) []*url.URL {
	bare := *u
	bare.RawQuery, bare.ForceQuery = "", false
	kept := withoutSecrets(&bare)
	if kept == nil {
		return way
	}
	return joined(way, []*url.URL{kept})
}

// leadTo reports whether a channel has redirected c to a host.
func (r *redirects) leadTo(c policy.Client, host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.by[c]
	if l == nil {
		return false
	}
	until, ok := l.hosts[host]
	return ok && !r.now().After(until)
}

// sweep forgets what has expired, unless that was done a moment ago.
func (r *redirects) sweep(now time.Time) {
	if since := now.Sub(r.swept); since >= 0 && since < redirectSweep {
		return
	}
	r.swept = now
	for c, l := range r.by {
		for key, entries := range l.targets {
			r.put(l, key, current(entries, now))
		}
		for host, until := range l.hosts {
			if now.After(until) {
				delete(l.hosts, host)
			}
		}
		if len(l.targets) == 0 {
			delete(r.by, c)
		}
	}
}

// current returns those of the entries that have not expired.
func current(entries []redirect, now time.Time) []redirect {
	var out []redirect
	for _, e := range entries {
		if !now.After(e.until) {
			out = append(out, e)
		}
	}
	return out
}

// targetKey names a URL that a redirect leads to. Clients differ in which characters they write percent-encoded, and
// in whether they resolve dot segments (RFC 3986 section 6.2.2): all such spellings have the same key.
func targetKey(u *url.URL) verify.Digest {
	return sha256.Sum256([]byte(originOf(u) + path.Clean("/"+unescaped(u.EscapedPath())) + "?" + unescaped(u.RawQuery)))
}

// unescaped decodes what is percent-encoded, one layer deep. What is no encoding stays.
func unescaped(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := url.PathUnescape(s[i : i+3]); err == nil {
				out = append(out, c...)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// canonicalURL writes a URL so that the same request always gives the same text: host in lower case and without a
// trailing dot or a default port, no fragment, the path and query as they are sent.
func canonicalURL(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		path += "?" + u.RawQuery
	}
	return originOf(u) + path
}

// originOf returns scheme, host and port of a URL in one form (RFC 6454 section 6.2).
func originOf(u *url.URL) string {
	host := hostOf(u)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	scheme := strings.ToLower(u.Scheme)
	if port := u.Port(); port != "" && !(scheme == "https" && port == "443") && !(scheme == "http" && port == "80") {
		host += ":" + port
	}
	return scheme + "://" + host
}

// hostOf returns a URL's host in lower case, without port, brackets or trailing dot.
func hostOf(u *url.URL) string {
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}
