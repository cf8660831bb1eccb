package apt

import (
	"container/list"
	"sync"
)

// lru keeps the values used last, as many as weigh no more than its budget together. It may be used concurrently.
type lru[K comparable, V any] struct {
	budget int64
	mu     sync.Mutex
	used   int64
	order  *list.List // of lruEntry[K, V], the latest used first
	at     map[K]*list.Element
}

type lruEntry[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

func newLRU[K comparable, V any](budget int64) *lru[K, V] {
	return &lru[K, V]{budget: budget, order: list.New(), at: map[K]*list.Element{}}
}

// get returns the value under key and counts as a use of it.
func (c *lru[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(lruEntry[K, V]).value, true
}

// put keeps value under key, in place of what was there. What weighs more than the whole budget is not kept.
func (c *lru[K, V]) put(key K, value V, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.at[key]; ok {
		c.remove(e)
	}
	if weight > c.budget {
		return
	}
	c.at[key] = c.order.PushFront(lruEntry[K, V]{key, value, weight})
	c.used += weight
	for c.used > c.budget {
		c.remove(c.order.Back())
	}
}

func (c *lru[K, V]) remove(e *list.Element) {
	entry := c.order.Remove(e).(lruEntry[K, V])
	delete(c.at, entry.key)
	c.used -= entry.weight
}
