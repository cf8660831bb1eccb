package configs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/configs"
	"github.com/sallyport-project/sallyport/policy"
)

func TestEveryFragmentOfTheCatalogueIsInOrder(t *testing.T) {
	names, err := policy.FragmentNames(configs.Files())
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 6 {
		t.Errorf("the catalogue has %d fragments", len(names))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			f, err := policy.ReadFragment(configs.Files(), name)
			if err != nil {
				t.Fatal(err)
			}
			for _, fact := range f.Facts {
				if day, err := time.Parse(time.DateOnly, fact.Date); err != nil || day.After(time.Now().AddDate(0, 0, 1)) {
					t.Errorf("a fact was looked up on %s", fact.Date)
				}
			}
		})
	}
}

// All fragments can be used together, and none takes what belongs to another: their tests hold.
func TestAllFragmentsGoTogether(t *testing.T) {
	names, err := policy.FragmentNames(configs.Files())
	if err != nil {
		t.Fatal(err)
	}
	text := "version: 1\nuse: [catalogue/" + strings.Join(names, ", catalogue/") + "]\n"
	p, err := policy.Parse("all.yaml", nil, []byte(text), policy.WithCatalogue(configs.Files()))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.RunTests() {
		if !r.Passed {
			t.Errorf("%s:%d: %s: wanted %s, got %s by %s %q", r.File, r.Line, r.Name, r.Want, r.Got, r.Rule, r.Reasons)
		}
	}
}
