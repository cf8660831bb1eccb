package alert

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sallyport-project/sallyport/internal/durable"
)

// queue is what waits for one sink, the oldest first. On disk it is a file an event, which goes when the event has been delivered.
type queue struct {
	dir  string // "" is memory
	most int

	mu    sync.Mutex
	list  []waiting
	last  uint64
	fresh chan struct{} // holds one token where something may be waiting
}

type waiting struct {
	n uint64
	e Event
}

// maxEvent bounds the file of one event, in bytes.
const maxEvent = 4 << 20

// openQueue takes over what is in dir. What cannot be read there is removed.
func openQueue(dir string, most int) (*queue, error) {
	q := &queue{dir: dir, most: most, fresh: make(chan struct{}, 1)}
	if dir == "" {
		return q, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening a queue of alerts: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening a queue of alerts: %w", err)
	}
	for _, f := range files {
		if w, ok := q.read(f.Name()); ok && len(q.list) < most {
			q.list = append(q.list, w)
			q.last = max(q.last, w.n)
		} else {
			os.Remove(filepath.Join(dir, f.Name()))
		}
	}
	slices.SortFunc(q.list, func(a, b waiting) int { return int(min(max(int64(a.n)-int64(b.n), -1), 1)) })
	q.signal()
	return q, nil
}

func (q *queue) read(name string) (waiting, bool) {
	number, ok := strings.CutSuffix(name, ".json")
	n, err := strconv.ParseUint(number, 10, 63)
	if !ok || err != nil || len(number) != 20 {
		return waiting{}, false
	}
	path := filepath.Join(q.dir, name)
	if info, err := os.Stat(path); err != nil || info.Size() > maxEvent {
		return waiting{}, false
	}
	data, err := os.ReadFile(path)
	w := waiting{n: n}
	if err != nil || json.Unmarshal(data, &w.e) != nil || !w.e.Kind.Known() {
		return waiting{}, false
	}
	return w, true
}

func (q *queue) file(n uint64) string { return filepath.Join(q.dir, fmt.Sprintf("%020d.json", n)) }

// put adds an event. Where there is no room the least grave one goes, the oldest of those; lost says that some event was dropped. An
// event that cannot be written down waits in memory all the same, which err tells.
func (q *queue) put(e Event) (lost bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) >= q.most {
		least := 0
		for i, w := range q.list {
			if w.e.Severity < q.list[least].e.Severity {
				least = i
			}
		}
		if q.list[least].e.Severity > e.Severity {
			return true, nil
		}
		q.remove(least)
		lost = true
	}
	q.last++
	if q.dir != "" {
		var data []byte
		if data, err = marshal(e); err == nil {
			err = durable.WriteFile(q.file(q.last), data, 0o600)
		}
	}
	q.list = append(q.list, waiting{q.last, e})
	q.signal()
	return lost, err
}

// head returns the oldest event.
func (q *queue) head() (n uint64, e Event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return 0, Event{}, false
	}
	return q.list[0].n, q.list[0].e, true
}

// done removes an event.
func (q *queue) done(n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.IndexFunc(q.list, func(w waiting) bool { return w.n == n }); i >= 0 {
		q.remove(i)
	}
}

// remove removes the event at a place. The caller holds mu.
func (q *queue) remove(i int) {
	if q.dir != "" {
		os.Remove(q.file(q.list[i].n)) // what cannot be removed is sent once more after a restart
	}
	q.list = slices.Delete(q.list, i, i+1)
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list)
}

func (q *queue) signal() {
	select {
	case q.fresh <- struct{}{}:
	default:
	}
}
