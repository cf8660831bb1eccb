package quarantine

import (
	"os"
	"time"
)

// timesEvery is how often it is written down when items were last used.
const timesEvery = time.Minute

// keepTimes writes down from time to time when items were last used, until the vault is closed.
func (v *Vault) keepTimes() {
	tick := time.NewTicker(timesEvery)
	defer tick.Stop()
	for {
		select {
		case <-v.ending:
			return
		case <-tick.C:
			v.flushTimes()
		}
	}
}

// flushTimes makes the time an item was last used the modification time of its state file, which changes nothing of
// what the file says. Times that are lost cost no more than an unlucky eviction.
func (v *Vault) flushTimes() {
	used := map[string]time.Time{}
	v.lock()
	for e := v.line[Released].Front(); e != nil; e = e.Next() {
		if b := e.Value.(*blob); !b.used.IsZero() {
			used[v.paths.state(b.digest)] = b.used
			b.used = time.Time{}
		}
	}
	v.unlock()
	for path, at := range used {
		os.Chtimes(path, at, at)
	}
}
