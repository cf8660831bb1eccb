package sigstore

import "testing"

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n    int
		what string
		want string
	}{{0, "log entry", "0 log entries"}, {1, "log entry", "1 log entry"}, {2, "log entry", "2 log entries"}, {1, "timestamp", "1 timestamp"}, {3, "bundle", "3 bundles"}} {
		if got := count(c.n, c.what); got != c.want {
			t.Errorf("%d of %s: %s", c.n, c.what, got)
		}
	}
}
