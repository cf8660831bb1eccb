package proxy

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Limits bounds what clients may take. A zero field has the default that is written beside it.
type Limits struct {
	Connections int // open at once, of all clients: 4096
	PerClient   int // of them for one address (IPv6: one /64): a quarter of Connections, at least 16
	HeaderBytes int // size of a request header in bytes: 64 KiB
	Streams     int // requests at once on one HTTP/2 connection: 128

	HeaderRead time.Duration // until a request header is complete: 20 s
	Idle       time.Duration // between two requests of a connection: 2 min
	Handshake  time.Duration // for TLS, and for a ClientHello that has begun: 15 s
	BodyRead   time.Duration // without a byte of a request body: 1 min
	WriteStall time.Duration // without a byte that the client takes: 2 min
	TunnelIdle time.Duration // without a byte in either direction: 15 min
	Dial       time.Duration // to connect a tunnel: 30 s
}

func (l Limits) filled() (Limits, error) {
	if l.Connections < 0 || l.PerClient < 0 || l.HeaderBytes < 0 || l.Streams < 0 ||
		min(l.HeaderRead, l.Idle, l.Handshake, l.BodyRead, l.WriteStall, l.TunnelIdle, l.Dial) < 0 {
		return l, errors.New("limits: none may be negative")
	}
	number := func(field *int, otherwise int) {
		if *field == 0 {
			*field = otherwise
		}
	}
	span := func(field *time.Duration, otherwise time.Duration) {
		if *field == 0 {
			*field = otherwise
		}
	}
	number(&l.Connections, 4096)
	number(&l.PerClient, max(l.Connections/4, 16))
	number(&l.HeaderBytes, 64<<10)
	number(&l.Streams, 128)
	span(&l.HeaderRead, 20*time.Second)
	span(&l.Idle, 2*time.Minute)
	span(&l.Handshake, 15*time.Second)
	span(&l.BodyRead, time.Minute)
	span(&l.WriteStall, 2*time.Minute)
	span(&l.TunnelIdle, 15*time.Minute)
	span(&l.Dial, 30*time.Second)
	return l, nil
}

// clientTable holds every open client connection and shares them out among the clients. Where the limit is reached,
// the new connection takes the place of the oldest one that is doing nothing for anybody: one whose request header is
// still to come, or that idles between two requests. So a client that opens connections and stays silent crowds out
// itself, and nobody whose request is being answered.
type clientTable struct {
	total, each int
	metrics     *Metrics

	mu     sync.Mutex
	count  int
	closed bool                           // no more are let in
	shares map[netip.Prefix][]*clientConn // oldest first
}

func newClientTable(total, each int, m *Metrics) *clientTable {
	return &clientTable{total: total, each: each, metrics: m, shares: map[netip.Prefix][]*clientConn{}}
}

// shareOf is what counts as one client.
func shareOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// admit enters c, and says whether there was room for it.
func (t *clientTable) admit(c *clientConn) bool {
	t.mu.Lock()
	victim, ok := t.makeRoom(c.share)
	ok = ok && !t.closed
	if ok {
		t.shares[c.share] = append(t.shares[c.share], c)
		t.count++
	}
	t.mu.Unlock()
	if victim != nil {
		victim.Close()
		t.metrics.evicted()
	}
	if ok {
		t.metrics.connections(1)
	}
	return ok
}

// makeRoom removes the connection that has to go, if one has to. The caller closes it.
func (t *clientTable) makeRoom(share netip.Prefix) (*clientConn, bool) {
	crowded := share
	switch {
	case len(t.shares[share]) >= t.each:
	case t.count < t.total:
		return nil, true
	default:
		crowded = t.largest()
	}
	for _, c := range t.shares[crowded] {
		if c.dispensable() {
			t.drop(c)
			return c, true
		}
	}
	return nil, false
}

// largest returns the client with the most connections.
func (t *clientTable) largest() (most netip.Prefix) {
	n := 0
	for share, conns := range t.shares {
		if len(conns) > n {
			most, n = share, len(conns)
		}
	}
	return most
}

// remove takes c out, if it is still there.
func (t *clientTable) remove(c *clientConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(c)
}

func (t *clientTable) drop(c *clientConn) {
	conns := t.shares[c.share]
	for i, other := range conns {
		if other != c {
			continue
		}
		t.shares[c.share] = append(conns[:i:i], conns[i+1:]...)
		if len(conns) == 1 {
			delete(t.shares, c.share)
		}
		t.count--
		t.metrics.connections(-1)
		return
	}
}

// shut lets no more in, and closes every connection that is doing nothing for anybody.
func (t *clientTable) shut() {
	t.mu.Lock()
	t.closed = true
	var idle []*clientConn
	for _, conns := range t.shares {
		for _, c := range conns {
			if c.dispensable() {
				idle = append(idle, c)
			}
		}
	}
	t.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}
