package reputation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// worker looks after one list.
type worker struct {
	feeds *Feeds
	store store
	feed  atomic.Pointer[Feed]
	list  atomic.Pointer[list]
	poke  chan struct{} // somebody else has refreshed the list

	retired atomic.Bool // the definition has been replaced

	mu    sync.Mutex // held while the list is refreshed; guards what follows
	tags  tags
	mark  fileMark
	told  verify.Digest // the set that has been told of
	stale bool          // it has been told that the list is stale
	after time.Duration // what a busy server asked for
}

// start takes over what is kept, and reads the list if it is a file.
func (w *worker) start(ctx context.Context) {
	w.mu.Lock()
	feed := w.feed.Load()
	k, set, err := w.store.open(feed)
	switch {
	case err == nil:
		w.tags, w.told = k.Tags, k.Told
		w.list.Store(&list{feed: feed, set: set, source: k.Source, date: k.Date, success: k.Success, summary: k.Summary})
		w.tellAgain(k)
	case !errors.Is(err, fs.ErrNotExist):
		w.failed(err, Summary{})
	}
	w.mu.Unlock()
	if feed.File != "" {
		w.refresh(ctx) // what comes of it is in the list's state
	}
}

// tellAgain tells of a change that was not dealt with before the process ended.
func (w *worker) tellAgain(k kept) {
	if l := w.list.Load(); k.Told != k.Set && !w.store.readOnly {
		w.tellChange(l, w.store.before(k), k)
	}
}

// tellChange tells of the list that is now in force, and remembers that it has.
func (w *worker) tellChange(l *list, old *Set, k kept) {
	n := Notice{Feed: l.feed.Name, What: Changed, Entries: l.set.Len(), Digest: l.source, Date: l.date, Summary: l.summary, set: l.set, old: old, feed: *l.feed}
	var err error
	if n.Added, n.Removed, err = countDifference(old, l.set); err != nil {
		n.Added, n.Removed = l.set.Len(), 0
		n.old = nil
	}
	n.Text = fmt.Sprintf("%d entries, %d added, %d removed", n.Entries, n.Added, n.Removed)
	if s := l.summary; s.Ignored+s.Unreadable > 0 {
		n.Text += fmt.Sprintf("; %d left out, %d unreadable", s.Ignored, s.Unreadable)
	}
	n.deferral = &deferral{done: func() { w.dealtWith(l.set) }}
	w.feeds.tell(n)
	if n.deferral.taken {
		return
	}
	k.Told = l.set.sum
	if err := w.store.save(k); err != nil {
		return // it is told of again after a restart
	}
	w.told = k.Told
	w.store.clean(k)
}

// refresh asks for the list once. Whatever goes wrong is in the list's state, too.
func (w *worker) refresh(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.after = 0
	summary, err := w.try(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // we are ending: that is nobody's failure
	}
	if err != nil {
		var b *busy
		if errors.As(err, &b) {
			w.after = b.after
		}
		w.failed(err, summary)
		return err
	}
	return nil
}

func (w *worker) try(ctx context.Context) (Summary, error) {
	feed, now := w.feed.Load(), w.feeds.o.Now()
	old := w.list.Load()
	got, err := w.get(ctx, feed, now)
	if err != nil {
		return Summary{}, err
	}
	if got.unchanged {
		if feed.File != "" && old.failure != nil && w.refused(old.failure) {
			return old.summary, old.failure // it is as bad as it was
		}
		return Summary{}, w.unchanged(old, old.date, w.tags, now)
	}
	defer got.close()
	if old.set != nil && got.sum == old.source {
		return Summary{}, w.unchanged(old, newest(old.summary.Date, got.date), got.tags, now)
	}
	set, summary, err := w.build(ctx, feed, got, now)
	if err == nil {
		err = feed.acceptable(old.set, set)
	}
	if err != nil {
		if errors.Is(err, errMoving) {
			w.mark = fileMark{}
		}
		if set != nil && set.file != nil && (old.set == nil || set.sum != old.set.sum) {
			set.file.Close()
		}
		w.discard()
		return summary, err
	}
	next := &list{feed: feed, set: set, source: got.sum, date: newest(summary.Date, got.date), success: now, summary: summary}
	return summary, w.install(next, old, got.tags)
}

// largeList is how many bytes a list must have, as it comes, to wait until no other such list is being read.
const largeList = 8 << 20

func (w *worker) build(ctx context.Context, feed *Feed, got *fetched, now time.Time) (*Set, Summary, error) {
	if got.size > largeList {
		select {
		case w.feeds.loading <- struct{}{}:
			defer func() { <-w.feeds.loading }()
		case <-ctx.Done():
			return nil, Summary{}, ctx.Err()
		}
	}
	set, summary, err := build(ctx, got.content, feed.Reading, w.store.workDir(), now)
	if err == nil && feed.File != "" {
		err = got.settled(w.mark)
	}
	return set, summary, err
}

// get asks the list's source. A file's mark is remembered even if it is refused, so as not to be read over and over.
func (w *worker) get(ctx context.Context, feed *Feed, now time.Time) (got *fetched, err error) {
	if feed.File != "" {
		got, w.mark, err = feed.open(w.mark, now)
		return got, err
	}
	if w.feeds.o.Transport == nil {
		return nil, errors.New("lists at URLs are not asked for here")
	}
	known := w.tags
	if w.list.Load().set == nil {
		known = tags{}
	}
	return feed.fetch(ctx, w.feeds.o.Transport, known, w.store.workDir())
}

// refused tells a failure that lies in the file, and lasts as long as the file does, from one in getting at it.
func (w *worker) refused(err error) bool {
	var r *Refusal
	return errors.As(err, &r)
}

// newest returns the list's own date, or else its source's.
func newest(own, source time.Time) time.Time {
	if !own.IsZero() {
		return own
	}
	return source
}

// discard removes the set of a list that is not taken.
func (w *worker) discard() {
	if k, err := w.store.load(); err == nil {
		w.store.clean(k)
	} else if errors.Is(err, fs.ErrNotExist) {
		w.store.clean(kept{})
	}
}

// install puts a list in force: kept first, then seen, then told of.
func (w *worker) install(next, old *list, t tags) error {
	if w.retired.Load() {
		return context.Canceled
	}
	w.tags = t
	k := w.kept(next)
	if err := w.store.save(k); err != nil {
		return err
	}
	w.list.Store(next)
	w.feeds.publish()
	w.recovered(old)
	w.tellChange(next, old.set, k)
	return nil
}

func (w *worker) kept(l *list) kept {
	return kept{Definition: l.feed.definition(), Set: l.set.sum, Told: w.told, Source: l.source, Date: l.date, Success: l.success, Tags: w.tags, Summary: l.summary}
}

// lazily is how often the success of a file, which is looked at all the time, is noted.
const lazily = 5 * time.Second

// unchanged notes that the list in force is the present one.
func (w *worker) unchanged(old *list, date time.Time, t tags, now time.Time) error {
	if old.feed.File != "" && old.failure == nil && now.Sub(old.success) < lazily && now.After(old.success) {
		return nil
	}
	next := *old
	next.feed = w.feed.Load()
	next.success, next.date, next.failures, next.failure, next.failed = now, date, 0, nil, time.Time{}
	if next.feed.File == "" {
		w.tags = t
		if err := w.store.save(w.kept(&next)); err != nil {
			return err
		}
	}
	w.list.Store(&next)
	w.feeds.publish()
	w.recovered(old)
	return nil
}

// recovered tells that a failure is over, or that the list is no longer stale.
func (w *worker) recovered(old *list) {
	l := *w.list.Load()
	l.feed = w.feed.Load()
	fresh := l.state(w.feeds.o.Now()).Status == Fresh
	if old.failure == nil && !(w.stale && fresh) {
		return
	}
	text := "it is no longer stale"
	if w.stale = w.stale && !fresh; old.failure != nil {
		text = fmt.Sprintf("it can be had again, after %d failed attempts", old.failures)
	}
	w.feeds.tell(Notice{Feed: l.feed.Name, What: Recovered, Text: text, Entries: l.set.Len(), Digest: l.source, Date: l.date, Summary: l.summary})
}

// failed notes a failure. The list in force stays.
func (w *worker) failed(err error, summary Summary) {
	if w.retired.Load() {
		return
	}
	old := w.list.Load()
	next := *old
	if next.failures++; next.failures == 1 {
		next.failed = w.feeds.o.Now()
	}
	next.failure = err
	if old.set == nil {
		next.summary = summary
	}
	same := old.failure != nil && old.failure.Error() == err.Error()
	w.list.Store(&next)
	w.feeds.publish()
	if same {
		return
	}
	n := Notice{Feed: w.feed.Load().Name, What: Failed, Text: err.Error(), Digest: old.source, Date: old.date, Summary: summary, Err: err}
	if old.set != nil {
		n.Entries = old.set.Len()
		n.Text += fmt.Sprintf("; the last good list with %d entries stays in force", n.Entries)
	}
	w.feeds.tell(n)
}

// run refreshes the list again and again.
func (w *worker) run(ctx context.Context) {
	if w.feed.Load().URL != "" && w.due() {
		w.refresh(ctx)
	}
	for ctx.Err() == nil {
		timer := time.NewTimer(w.pause())
		select {
		case <-ctx.Done():
		case <-w.poke:
		case <-timer.C:
			if !w.tellStale() {
				w.refresh(ctx)
			}
		}
		timer.Stop()
	}
}

// due reports whether what is kept is older than the list's interval.
func (w *worker) due() bool {
	l := w.list.Load()
	age := w.feeds.o.Now().Sub(l.success)
	return l.set == nil || age >= w.feed.Load().refresh() || age < 0
}

// pause returns how long there is nothing to do.
func (w *worker) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	feed, l, now := w.feed.Load(), w.list.Load(), w.feeds.o.Now()
	wait := feed.refresh()
	if feed.URL != "" {
		if age := now.Sub(l.success); l.failures == 0 && age > 0 {
			wait = max(wait-age, 0)
		} else if l.failures > 0 {
			wait = min(wait, time.Minute<<min(l.failures-1, 10))
		}
		wait += time.Duration((rand.Float64() - 0.5) / 5 * float64(wait)) // not all of the network at once
		wait = max(wait, w.after)
	}
	if turns := w.turning(feed, l, now); !w.stale && !turns.IsZero() {
		wait = min(wait, max(turns.Sub(now)+time.Millisecond, 0))
	}
	return wait
}

func (w *worker) turning(feed *Feed, l *list, now time.Time) time.Time {
	if l.set == nil {
		return time.Time{}
	}
	with := *l
	with.feed = feed
	return with.turns()
}

// tellStale tells that the list has become stale, once. It reports whether that was what the time had come for.
func (w *worker) tellStale() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := *w.list.Load()
	l.feed = w.feed.Load()
	s := l.state(w.feeds.o.Now())
	if s.Status != Stale || w.stale {
		return false
	}
	w.stale = true
	w.feeds.tell(Notice{Feed: s.Feed, What: TurnedOld, Text: s.Reason, Entries: s.Entries, Digest: s.Digest, Date: s.Date, Summary: s.Summary})
	return true
}
