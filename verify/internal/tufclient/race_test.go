package tufclient

import (
	"context"
	"testing"
)

// passing serves the world, and before it serves the file called at lets a client's walk through it pass by.
func (w *world) passing(c *Client, at string, names ...string) Fetch {
	done := false
	return func(ctx context.Context, name string, limit int64) ([]byte, error) {
		data, err := w.fetch(ctx, name, limit)
		if name == at && !done {
			done = true
			w.publish("targets", "snapshot", "timestamp")
			w.walkOffers(c, noon, names...)
		}
		return data, err
	}
}

func TestARefreshThatIsOvertakenShowsNoAttack(t *testing.T) {
	for _, at := range []string{"2.snapshot.json", "2.targets.json"} {
		for _, names := range [][]string{
			{"timestamp.json"},
			{"timestamp.json", "3.snapshot.json"},
			{"timestamp.json", "3.snapshot.json", "3.targets.json"},
		} {
			w := newWorld(t)
			c := w.client()
			w.refresh(c, noon, "good")
			w.publish("targets", "snapshot", "timestamp")
			if _, err := c.Refresh(context.Background(), w.passing(c, at, names...), noon); err != nil {
				t.Errorf("a client fetches %s while %s is being fetched: %v", names, at, err)
			}
			if got := versions(t, c); got != "1 3 3 3" {
				t.Errorf("the versions are %s", got)
			}
		}
	}
}
