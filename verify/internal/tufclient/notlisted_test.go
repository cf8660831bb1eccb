package tufclient

import (
	"strings"
	"testing"
)

// Where no role is trusted for a path, none is counted.
func TestNotListedSaysWhoWasAsked(t *testing.T) {
	w := newWorld(t)
	w.delegate("targets", "alice", nil, "a/*")
	w.everything()
	c := w.client()
	w.refresh(c, noon, "good")
	for path, want := range map[string]string{"b/one": "and trusts no other role for that path", "a/none": "nor does any role that it trusts for that path (1)"} {
		if _, err := c.Lookup(t.Context(), w.fetch, noon, path); err == nil || code(err) != NotListed || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
