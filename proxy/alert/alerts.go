package alert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Alerts tells sinks of events. Its methods may be called by several goroutines.
type Alerts struct {
	o     Options
	sinks []*station
	total *prometheus.CounterVec
}

// station is one sink at work.
type station struct {
	sink    *Sink
	carrier carrier
	queue   *queue
	intake  chan Event
	failing bool // the last attempt failed

	mu    sync.Mutex // guards limit
	limit *limit
}

// maxIntake is how many events may wait to be looked at by a sink.
const maxIntake = 4096

// New returns Alerts for sinks, which begin to work when Run is called. What waits in Options.Dir for sinks that are no more is removed.
func New(sinks []Sink, o Options) (*Alerts, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string, string) {}
	}
	if o.Retry <= 0 {
		o.Retry = time.Second
	}
	a := &Alerts{o: o, total: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_alerts_total",
		Help: "Alerts by what became of them: sent, failed (an attempt), held_back (too many of a kind), dropped (lost)."}, []string{"sink", "result"})}
	names := map[string]bool{}
	for i := range sinks {
		s := sinks[i]
		if names[s.Name] || s.Name == "" || filepath.Base(s.Name) != s.Name || s.Name[0] == '.' {
			return nil, fmt.Errorf("alerts: %q is no name of a sink, or that of two", s.Name)
		}
		names[s.Name] = true
		st, err := newStation(&s, o)
		if err != nil {
			return nil, err
		}
		for _, result := range []string{"sent", "failed", "held_back", "dropped"} {
			a.total.WithLabelValues(s.Name, result)
		}
		a.sinks = append(a.sinks, st)
	}
	if o.Dir != "" {
		others, _ := os.ReadDir(o.Dir)
		for _, d := range others {
			if !names[d.Name()] {
				os.RemoveAll(filepath.Join(o.Dir, d.Name()))
			}
		}
	}
	return a, nil
}

func newStation(s *Sink, o Options) (*station, error) {
	if s.Rate <= 0 {
		s.Rate = 60
	}
	if s.Queue <= 0 {
		s.Queue = 1000
	}
	c, err := s.carrier(o)
	if err != nil {
		return nil, err
	}
	dir := ""
	if o.Dir != "" {
		dir = filepath.Join(o.Dir, s.Name)
	}
	q, err := openQueue(dir, s.Queue)
	if err != nil {
		return nil, err
	}
	return &station{sink: s, carrier: c, queue: q, intake: make(chan Event, maxIntake), limit: newLimit(s.Rate)}, nil
}

// Tell tells all sinks that want to know. It waits for nobody: what they cannot take in time is dropped and counted.
func (a *Alerts) Tell(e Event) {
	if a == nil {
		return
	}
	e.Host = a.o.Host
	for _, s := range a.sinks {
		if !s.sink.wants(e.Kind) {
			continue
		}
		select {
		case s.intake <- e:
		default:
			a.count(s, "dropped")
		}
	}
}

// Wants reports whether any sink is told of a kind of events.
func (a *Alerts) Wants(k Kind) bool {
	if a == nil {
		return false
	}
	for _, s := range a.sinks {
		if s.sink.wants(k) {
			return true
		}
	}
	return false
}

func (a *Alerts) count(s *station, result string) { a.total.WithLabelValues(s.sink.Name, result).Inc() }

// Run delivers until ctx is done. What is in the queues then is delivered after a restart, if they are on disk; Close puts what is told
// meanwhile into them, too.
func (a *Alerts) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range a.sinks {
		all.Go(func() { a.take(ctx, s) })
		all.Go(func() { a.deliver(ctx, s) })
	}
	all.Wait()
}

// take puts events into a sink's queue, as many as the limit lets through.
func (a *Alerts) take(ctx context.Context, s *station) {
	rest := time.NewTicker(time.Minute)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			a.drain(s)
			return
		case e := <-s.intake:
			a.enqueue(s, e)
		case <-rest.C:
			a.rest(s)
		}
	}
}

// drain puts what has been told already into the queue.
func (a *Alerts) drain(s *station) {
	for {
		select {
		case e := <-s.intake:
			a.enqueue(s, e)
		default:
			return
		}
	}
}

func (a *Alerts) enqueue(s *station, e Event) {
	s.mu.Lock()
	ok := s.limit.allow(&e, a.o.Now())
	s.mu.Unlock()
	if !ok {
		a.count(s, "held_back")
		return
	}
	a.put(s, e)
}

// rest tells how many events of each kind were held back.
func (a *Alerts) rest(s *station) {
	s.mu.Lock()
	rest := s.limit.rest(a.o.Now())
	s.mu.Unlock()
	for _, e := range rest {
		e.Host = a.o.Host
		a.put(s, e)
	}
}

// Drain puts what was told into the queues, where Run does not.
func (a *Alerts) Drain() {
	if a == nil {
		return
	}
	for _, s := range a.sinks {
		a.drain(s)
	}
}

// Close is Drain where nothing is told any more: what was held back is told as a number.
func (a *Alerts) Close() {
	a.Drain()
	if a == nil {
		return
	}
	for _, s := range a.sinks {
		a.rest(s)
	}
}

func (a *Alerts) put(s *station, e Event) {
	lost, err := s.queue.put(e)
	if lost {
		a.count(s, "dropped")
	}
	if err != nil {
		a.o.Warn(s.sink.Name, "an alert waits in memory only: "+err.Error())
	}
}

// summary says that some events of a kind were held back.
func summary(k Kind, n int, now time.Time) Event {
	return Event{Kind: k, Time: now, HeldBack: n, Text: fmt.Sprintf("alerts of the kind %s that were held back: %d; the log has them", k, n)}.finished()
}

// maxPatience is how long it is tried to deliver one event.
const maxPatience = 24 * time.Hour

// deliver delivers what is in a sink's queue, one after the other.
func (a *Alerts) deliver(ctx context.Context, s *station) {
	defer s.carrier.close()
	for {
		n, e, ok := s.queue.head()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-s.queue.fresh:
			}
			continue
		}
		if !a.try(ctx, s, &e) {
			return
		}
		s.queue.done(n)
	}
}

// try delivers an event, or gives it up. It returns false when ctx is done.
func (a *Alerts) try(ctx context.Context, s *station, e *Event) bool {
	wait := a.o.Retry
	for began := a.o.Now(); ; {
		one, cancel := context.WithTimeout(ctx, patience)
		err := s.carrier.carry(one, e)
		cancel()
		var no *refused
		switch {
		case err == nil:
			a.count(s, "sent")
			a.reached(s)
			return true
		case ctx.Err() != nil:
			return false
		case errors.As(err, &no) || a.o.Now().Sub(began) > maxPatience:
			a.count(s, "dropped")
			a.o.Warn(s.sink.Name, "an alert was given up: "+err.Error())
			return true
		}
		a.count(s, "failed")
		if !s.failing {
			s.failing = true
			a.o.Warn(s.sink.Name, err.Error())
		}
		if !pause(ctx, wait, err) {
			return false
		}
		wait = min(2*wait, maxWait)
	}
}

// reached tells that a sink that could not be reached can be again.
func (a *Alerts) reached(s *station) {
	if s.failing {
		s.failing = false
		a.o.Warn(s.sink.Name, "")
	}
}

// pause waits, not always as long, so that many gateways do not come back at once. It returns false when ctx is done.
func pause(ctx context.Context, wait time.Duration, err error) bool {
	wait = wait/2 + time.Duration(rand.Int64N(int64(wait/2)+1))
	var l *later
	if errors.As(err, &l) {
		wait = max(wait, l.after)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Describe implements prometheus.Collector: sallyport_alerts_total and sallyport_alerts_waiting.
func (a *Alerts) Describe(out chan<- *prometheus.Desc) {
	a.total.Describe(out)
	out <- waitingDesc
}

var waitingDesc = prometheus.NewDesc("sallyport_alerts_waiting", "Alerts that wait to be delivered.", []string{"sink"}, nil)

// Collect implements prometheus.Collector.
func (a *Alerts) Collect(out chan<- prometheus.Metric) {
	a.total.Collect(out)
	for _, s := range a.sinks {
		out <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(s.queue.len()), s.sink.Name)
	}
}
