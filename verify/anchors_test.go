package verify

import (
	"slices"
	"testing"
)

func TestTrustSources(t *testing.T) {
	trust := Trust{
		TUF: []TUFAnchor{{Anchor: "t", Repositories: []TUFRepository{{Metadata: []string{"https://b.example/md/", "https://a.example/md/"}}}, Targets: "https://b.example/targets/"}},
		Sigstore: []SigstoreAnchor{
			{Anchor: "file", TrustedRoot: []byte("{}"), Bundles: []string{"https://c.example/at/{sha256}"}},
			{Anchor: "key", Keys: [][]byte{{1}}},
			{Anchor: "own", TrustedRoot: []byte("{}"), RootSource: &TUFAnchor{Repositories: []TUFRepository{{Metadata: []string{"https://d.example/"}}}, Targets: "https://d.example/targets/"}},
		},
	}
	want := []string{"https://a.example/md/", "https://b.example/md/", "https://c.example/at/", "https://d.example/", "https://d.example/targets/"}
	if got := trust.Sources(); !slices.Equal(got, want) {
		t.Errorf("sources %q, want %q", got, want)
	}
	trust.Sigstore = append(trust.Sigstore, SigstoreAnchor{Anchor: "public"})
	if got := trust.Sources(); !slices.Contains(got, PublicGoodTUF) {
		t.Errorf("an anchor that names no instance is for the public-good one; sources %q", got)
	}
}

func TestTrustOnly(t *testing.T) {
	trust := Trust{Epoch: "e", Keyrings: []Keyring{{Anchor: "a"}, {Anchor: "b"}}, TUF: []TUFAnchor{{Anchor: "b"}}, Sigstore: []SigstoreAnchor{{Anchor: "c"}}}
	got := trust.Only([]string{"b", "b"})
	if len(got.Keyrings) != 1 || got.Keyrings[0].Anchor != "b" || len(got.TUF) != 1 || len(got.Sigstore) != 0 {
		t.Errorf("only b leaves %+v", got)
	}
	if got.Epoch == trust.Epoch || got.Epoch != trust.Only([]string{"b"}).Epoch || got.Epoch == trust.Only([]string{"a", "b"}).Epoch {
		t.Error("the epoch does not follow the anchors")
	}
	if len(trust.Keyrings) != 2 {
		t.Error("the original was changed")
	}
}
