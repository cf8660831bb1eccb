// Package lru keeps the values that were used last, within a budget.
package lru

import (
	"container/list"
	"sync"
)

// Cache keeps the values used last, as many as weigh no more than its budget together. It may be used concurrently.
type Cache[K comparable, V any] struct {
	budget int64
	mu     sync.Mutex
	used   int64
	order  *list.List // of entry[K, V], the latest used first
	at     map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

// New returns an empty Cache with a budget in whatever unit Put's weights are.
func New[K comparable, V any](budget int64) *Cache[K, V] {
	return &Cache[K, V]{budget: budget, order: list.New(), at: map[K]*list.Element{}}
}

// Get returns the value under key and counts as a use of it.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(entry[K, V]).value, true
}

// Put keeps value under key, in place of what was there. What weighs more than the whole budget is not kept.
func (c *Cache[K, V]) Put(key K, value V, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.at[key]; ok {
		c.remove(e)
	}
	if weight > c.budget {
		return
	}
	c.at[key] = c.order.PushFront(entry[K, V]{key, value, weight})
	c.used += weight
	for c.used > c.budget {
		c.remove(c.order.Back())
	}
}

func (c *Cache[K, V]) remove(e *list.Element) {
	old := c.order.Remove(e).(entry[K, V])
	delete(c.at, old.key)
	c.used -= old.weight
}
