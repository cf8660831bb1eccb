// Package learn drafts channels from what a gate saw: where updates came from, in which formats, and who had signed them. A draft is
// a policy that observes, for somebody to read and accept. Nothing is trusted because it was seen: every line of a draft that would trust
// somebody says how much evidence there is, and what strangers wrote stands in quotes.
package learn

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds of a survey: what comes beyond them is counted, and not told apart.
const (
	maxHosts    = 5_000
	maxPaths    = 2_000 // of a host
	maxSigners  = 100   // of a host
	maxVersions = 50    // of a host
	// Of all hosts together.
	maxAllPaths   = 200_000
	maxAllSigners = 20_000
	maxPath       = 2_000 // bytes; what is longer is not told apart
)

// Sighting is one update that was judged.
type Sighting struct {
	Time     time.Time
	URL      *url.URL
	Format   string
	Metadata bool // an index or the like, and no update itself
	Product  string
	Version  string
	Channel  string // that judged it; empty if none did
	Through  bool   // it was let through, or would have been
	Broken   bool   // something about its signatures was wrong: nobody is proposed for having signed it
	Odd      bool   // something about the signatures of what is inside was
	Refused  bool   // a deny rule or a recall refused it, or a list names it: nobody is proposed for having signed it
	Signers  []Signer
}

// Signer is who has signed an update itself, by a signature that was good.
type Signer struct {
	Method       string   // the signature system
	Organization string   // of the certificate, if there is one
	Thumbprint   string   // SHA-256 of the certificate, hexadecimal; empty if it is not known
	Identity     string   // Sigstore: the identity
	Issuer       string   // Sigstore: who vouches for it
	Name         string   // what a person calls the signer
	Anchors      []string // of the policy then in force, under which the signature counted
	Private      bool     // the certificate leads to a root that only some anchors trust
}

// key tells signers apart. A certificate that is renewed is by the same signer.
func (s Signer) key() string {
	return strings.Join([]string{s.Method, s.Organization, s.Identity, s.Issuer, s.Name, strings.Join(s.Anchors, "+")}, "\x00")
}

// Survey gathers what a gate saw. The zero Survey is empty. It is used by one goroutine at a time.
type Survey struct {
	hosts     map[string]*host
	tunnels   map[string]*tunnel
	Sightings int // that were added
	Nameless  int // whose URL is not known any more
	Beyond    int // of hosts that there was no room for
	paths     int // that are kept
	signers   int
}

type host struct {
	name        string
	first, last time.Time
	updates     int // payloads
	metadata    int
	through     int
	unsigned    int // payloads that nobody had signed
	broken      int
	odd         int
	refused     int
	formats     map[string]int
	channels    map[string]int
	versions    map[string]int
	paths       map[string]int
	signers     map[string]*signer
	beyond      int // paths and signers that there was no room for
	schemes     map[string]int
}

type signer struct {
	Signer
	thumbprints map[string]int
	count       int
	first, last time.Time
	example     string // URL
}

type tunnel struct {
	name        string
	count       int
	received    int64 // bytes
	first, last time.Time
}

// Add adds an update.
func (s *Survey) Add(x Sighting) {
	s.Sightings++
	if x.URL == nil || x.URL.Hostname() == "" {
		s.Nameless++
		return
	}
	h := s.host(strings.ToLower(strings.TrimSuffix(x.URL.Hostname(), ".")))
	if h == nil {
		s.Beyond++
		return
	}
	h.first, h.last = span(h.first, h.last, x.Time)
	count(h.schemes, x.URL.Scheme, 2)
	if x.Metadata {
		h.metadata++
	} else {
		h.updates++
		count(h.formats, x.Format, maxVersions)
	}
	if x.Through {
		h.through++
	}
	for _, n := range []struct {
		is bool
		of *int
	}{{x.Broken, &h.broken}, {x.Odd, &h.odd}, {x.Refused, &h.refused}} {
		if n.is {
			*n.of++
		}
	}
	if x.Channel != "" {
		count(h.channels, x.Channel, maxVersions)
	}
	if x.Product != "" || x.Version != "" {
		count(h.versions, strings.TrimSpace(x.Product+" "+x.Version), maxVersions)
	}
	s.came(h, x.URL.Path)
	if len(x.Signers) == 0 && !x.Metadata {
		h.unsigned++
	}
	if x.Broken || x.Refused {
		return
	}
	for _, by := range x.Signers {
		s.signed(h, by, x)
	}
}

// came notes the path of an update.
func (s *Survey) came(h *host, path string) {
	_, known := h.paths[path]
	if !known && (s.paths >= maxAllPaths || len(path) > maxPath) || !count(h.paths, path, maxPaths) {
		h.beyond++
		return
	}
	if !known {
		s.paths++
	}
}

func (s *Survey) host(name string) *host {
	if h := s.hosts[name]; h != nil {
		return h
	}
	if len(s.hosts) >= maxHosts {
		return nil
	}
	if s.hosts == nil {
		s.hosts = map[string]*host{}
	}
	h := &host{
		name: name, formats: map[string]int{}, channels: map[string]int{}, versions: map[string]int{}, paths: map[string]int{},
		signers: map[string]*signer{}, schemes: map[string]int{},
	}
	s.hosts[name] = h
	return h
}

func (s *Survey) signed(h *host, by Signer, x Sighting) {
	key := by.key()
	known := h.signers[key]
	if known == nil {
		if len(h.signers) >= maxSigners || s.signers >= maxAllSigners {
			h.beyond++
			return
		}
		s.signers++
		known = &signer{Signer: by, thumbprints: map[string]int{}, example: plainURL(x.URL)}
		h.signers[key] = known
	}
	known.count++
	known.first, known.last = span(known.first, known.last, x.Time)
	if by.Thumbprint != "" {
		count(known.thumbprints, by.Thumbprint, maxVersions)
	}
}

// AddTunnel adds a connection whose content was not looked at.
func (s *Survey) AddTunnel(name string, at time.Time, received int64) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	t := s.tunnels[name]
	if t == nil {
		if len(s.tunnels) >= maxHosts || name == "" {
			s.Beyond++
			return
		}
		if s.tunnels == nil {
			s.tunnels = map[string]*tunnel{}
		}
		t = &tunnel{name: name}
		s.tunnels[name] = t
	}
	t.count++
	t.received += max(received, 0)
	t.first, t.last = span(t.first, t.last, at)
}

// Hosts returns the names of the hosts that updates came from, those with most of them first.
func (s *Survey) Hosts() []string {
	hosts := slices.Collect(maps.Values(s.hosts))
	slices.SortFunc(hosts, func(a, b *host) int {
		return cmp.Or(cmp.Compare(b.updates+b.metadata, a.updates+a.metadata), cmp.Compare(a.name, b.name))
	})
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.name
	}
	return names
}

// count adds one to what is counted under a name, and reports whether there was room.
func count(m map[string]int, name string, most int) bool {
	if _, ok := m[name]; !ok && len(m) >= most {
		return false
	}
	m[name]++
	return true
}

func span(first, last, at time.Time) (time.Time, time.Time) {
	if first.IsZero() || at.Before(first) {
		first = at
	}
	if at.After(last) {
		last = at
	}
	return first, last
}

// plainURL returns a URL without its query.
func plainURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
