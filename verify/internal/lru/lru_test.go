package lru

import "testing"

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	c := New[string, int](10)
	c.Put("a", 1, 4)
	c.Put("b", 2, 4)
	if _, ok := c.Get("a"); !ok {
		t.Fatal("a is gone although there was room")
	}
	c.Put("c", 3, 4)
	if _, ok := c.Get("b"); ok {
		t.Error("b stayed, though a was used later and there is room for two")
	}
	if v, ok := c.Get("a"); !ok || v != 1 {
		t.Errorf("a = %d, %v", v, ok)
	}
	c.Put("large", 4, 11)
	if _, ok := c.Get("large"); ok {
		t.Error("what weighs more than the budget was kept")
	}
	c.Put("a", 5, 1)
	if v, _ := c.Get("a"); v != 5 || c.used != 5 {
		t.Errorf("a = %d with %d in use, want 5 and 5", v, c.used)
	}
}
