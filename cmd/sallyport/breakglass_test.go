package main

import (
	"fmt"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
)

func TestEmergenciesEndOnce(t *testing.T) {
	one, two := policy.Release{Record: "1", BreakGlass: true}, policy.Release{Record: "2", BreakGlass: true}
	e := emergencies{}
	for i, c := range []struct {
		inForce []policy.Release
		want    string
	}{
		{nil, ""},
		{[]policy.Release{one, {Record: "9"}}, ""},
		{[]policy.Release{one, two}, ""},
		{[]policy.Release{two}, "1"},
		{nil, "2"},
		{nil, ""},
	} {
		got := ""
		for _, l := range e.ended(c.inForce) {
			got += fmt.Sprint(l.Record)
		}
		if got != c.want {
			t.Errorf("%d: %q has ended, want %q", i, got, c.want)
		}
	}
}
