package alert

import "time"

// What is news again after a while, and how much of it one client or one kind may send to a sink.
const (
	repeatAfter   = 10 * time.Minute
	clientRate    = 10   // events a minute from one client
	maxRemembered = 8192 // keys, and clients
)

// limit decides which events a sink is told of. It is used by one goroutine.
type limit struct {
	rate    int // events of one kind a minute
	kinds   map[Kind]*bucket
	clients map[string]*bucket
	told    map[string]time.Time // by key
	held    map[Kind]int         // not told since the last that was
}

func newLimit(rate int) *limit {
	return &limit{rate: rate, kinds: map[Kind]*bucket{}, clients: map[string]*bucket{}, told: map[string]time.Time{}, held: map[Kind]int{}}
}

// bucket lets so many through a minute, and as many at once.
type bucket struct {
	left float64
	at   time.Time
}

func (b *bucket) take(rate int, now time.Time) bool {
	b.fill(rate, now)
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

func (b *bucket) fill(rate int, now time.Time) {
	if b.at.IsZero() {
		b.left = float64(rate)
	} else if passed := now.Sub(b.at); passed > 0 {
		b.left = min(b.left+passed.Minutes()*float64(rate), float64(rate))
	}
	b.at = now
}

// allow reports whether a sink is to be told of an event now, and sets how many were held back before it.
func (l *limit) allow(e *Event, now time.Time) bool {
	key := e.key()
	if at, ok := l.told[key]; ok && now.Sub(at) < repeatAfter && now.Sub(at) >= 0 {
		l.held[e.Kind]++
		return false
	}
	if client := e.client(); client != "" && !of(l.clients, client).take(clientRate, now) {
		l.held[e.Kind]++
		return false
	}
	if !of(l.kinds, e.Kind).take(l.rate, now) {
		l.held[e.Kind]++
		return false
	}
	if len(l.told) >= maxRemembered {
		l.forget(now)
	}
	l.told[key] = now
	e.HeldBack, l.held[e.Kind] = l.held[e.Kind], 0
	return true
}

// of returns the bucket of a name, and makes it. Too many names begin anew.
func of[K comparable](m map[K]*bucket, name K) *bucket {
	b := m[name]
	if b == nil {
		if len(m) >= maxRemembered {
			clear(m)
		}
		b = &bucket{}
		m[name] = b
	}
	return b
}

// forget drops what would be news again; all of it, if that is nothing.
func (l *limit) forget(now time.Time) {
	for key, at := range l.told {
		if now.Sub(at) >= repeatAfter {
			delete(l.told, key)
		}
	}
	if len(l.told) >= maxRemembered {
		clear(l.told)
	}
}

// rest returns an event for every kind of which some were held back, if one more may be sent now.
func (l *limit) rest(now time.Time) []Event {
	var out []Event
	for _, k := range Kinds {
		if n := l.held[k]; n > 0 && of(l.kinds, k).take(l.rate, now) {
			l.held[k] = 0
			out = append(out, summary(k, n, now))
		}
	}
	return out
}
