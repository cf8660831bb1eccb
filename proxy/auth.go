package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Credentials are the users and passwords of an htpasswd file. Its methods may be called by several goroutines.
type Credentials struct {
	hashes  map[string][]byte
	nobody  []byte // hash that the passwords of unknown users are compared with, so that both take as long
	running chan struct{}

	mu       sync.Mutex
	key      [32]byte                     // of proven
	proven   map[[32]byte]time.Time       // credentials that were right, by HMAC, and until when that is remembered
	failures map[netip.Prefix]failureSpan // wrong passwords, by client
}

type failureSpan struct {
	since time.Time
	count int
}

const (
	maxHtpasswd    = 4 << 20 // bytes
	maxCost        = 14      // of bcrypt: about a second
	provenFor      = 10 * time.Minute
	maxProven      = 4096
	maxFailures    = 10 // wrong passwords a minute from one client, before they are not looked at any more
	maxFailing     = 4096
	bcryptAtOnce   = 2
	maxCredentials = 512 // bytes of user and password together
)

// LoadHtpasswd reads an htpasswd file.
func LoadHtpasswd(path string) (*Credentials, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading proxy users: %w", err)
	}
	if info.Size() > maxHtpasswd {
		return nil, fmt.Errorf("reading proxy users: %s is larger than %d bytes", path, maxHtpasswd)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading proxy users: %w", err)
	}
	return ParseHtpasswd(path, data)
}

var bcryptHash = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// ParseHtpasswd reads the lines user:hash, as `htpasswd -B` writes them; only bcrypt is taken. Empty lines and lines
// that begin with # are skipped. Everything else is an error, which names the file and the line.
func ParseHtpasswd(name string, data []byte) (*Credentials, error) {
	c := &Credentials{
		hashes: map[string][]byte{}, running: make(chan struct{}, bcryptAtOnce),
		proven: map[[32]byte]time.Time{}, failures: map[netip.Prefix]failureSpan{},
	}
	highest := bcrypt.MinCost
	for i, line := range bytes.Split(data, []byte("\n")) {
		text := strings.TrimSuffix(string(line), "\r")
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		cost, err := c.add(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		highest = max(highest, cost)
	}
	if len(c.hashes) == 0 {
		return nil, fmt.Errorf("%s: no user is in it, so nobody could use the proxy", name)
	}
	rand.Read(c.key[:])
	nobody, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), highest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.nobody = nobody
	return c, nil
}

// add reads one line and returns the cost of its hash.
func (c *Credentials) add(line string) (cost int, err error) {
	user, hash, found := strings.Cut(line, ":")
	if !found || user == "" {
		return 0, errors.New("a line is user:hash")
	}
	m := bcryptHash.FindStringSubmatch(hash)
	if m == nil {
		return 0, fmt.Errorf("the password of %q is not hashed with bcrypt; `htpasswd -B` does that", user)
	}
	cost, err = strconv.Atoi(m[1])
	if err != nil || cost < bcrypt.MinCost || cost > maxCost {
		return 0, fmt.Errorf("the password of %q has the bcrypt cost %s; %d to %d are taken", user, m[1], bcrypt.MinCost, maxCost)
	}
	if _, twice := c.hashes[user]; twice {
		return 0, fmt.Errorf("the user %q is there twice", user)
	}
	c.hashes[user] = []byte(hash)
	return cost, nil
}

// verdict of a look at credentials.
type verdict int

const (
	wrong verdict = iota
	right
	tooMany // the client has been wrong too often to be looked at now
)

// check compares a password. bcrypt runs only for what has not been right in the last minutes.
func (c *Credentials) check(client netip.Addr, user, password string, now time.Time) verdict {
	if len(user)+len(password) > maxCredentials {
		return wrong
	}
	tag := c.tag(user, password)
	share := shareOf(client)
	if done, v := c.known(tag, share, now); done {
		return v
	}
	hash, exists := c.hashes[user]
	if !exists {
		hash = c.nobody
	}
	c.running <- struct{}{}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	<-c.running
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || !exists {
		c.failed(share, now)
		return wrong
	}
	if len(c.proven) >= maxProven {
		clear(c.proven)
	}
	c.proven[tag] = now.Add(provenFor)
	return right
}

// known answers what needs no bcrypt.
func (c *Credentials) known(tag [32]byte, share netip.Prefix, now time.Time) (bool, verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if until, ok := c.proven[tag]; ok && now.Before(until) {
		return true, right
	}
	if f := c.failures[share]; f.count >= maxFailures && now.Sub(f.since) < time.Minute {
		return true, tooMany
	}
	return false, wrong
}

func (c *Credentials) failed(share netip.Prefix, now time.Time) {
	f, known := c.failures[share]
	if !known && len(c.failures) >= maxFailing {
		clear(c.failures)
	}
	if !known || now.Sub(f.since) >= time.Minute {
		f = failureSpan{since: now}
	}
	f.count++
	c.failures[share] = f
}

func (c *Credentials) tag(user, password string) (tag [32]byte) {
	mac := hmac.New(sha256.New, c.key[:])
	fmt.Fprintf(mac, "%d:%s%s", len(user), user, password)
	mac.Sum(tag[:0])
	return tag
}

// authenticate names the user of a request. Where nobody is asked for credentials, that is "".
func (s *Server) authenticate(r *http.Request, client netip.Addr) (user string, f *refusal) {
	if s.o.Credentials == nil {
		return "", nil
	}
	c := s.o.Credentials()
	if c == nil {
		return "", nil
	}
	lines := r.Header["Proxy-Authorization"]
	if len(lines) == 0 {
		return "", &refusal{Kind: kindAuth, Detail: "this proxy asks for a user and a password"}
	}
	if len(lines) > 1 {
		return "", &refusal{Kind: kindAuth, Detail: "there is more than one Proxy-Authorization field"}
	}
	probe := http.Request{Header: http.Header{"Authorization": lines}}
	user, password, ok := probe.BasicAuth()
	if !ok {
		return "", &refusal{Kind: kindAuth, Detail: "the credentials are not in the Basic scheme"}
	}
	switch c.check(client, user, password, time.Now()) {
	case right:
		return user, nil
	case tooMany:
		return "", &refusal{Kind: kindLimit, Detail: "too many wrong passwords have come from this address", RetryAfter: time.Minute}
	default:
		return "", &refusal{Kind: kindAuth, Detail: "the user or the password is wrong"}
	}
}
