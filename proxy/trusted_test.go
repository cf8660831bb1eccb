package proxy

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/checksums"
	"github.com/sallyport-project/sallyport/verify/detachedcms"
	"github.com/sallyport-project/sallyport/verify/minisign"
	"github.com/sallyport-project/sallyport/verify/openpgp"
	"github.com/sallyport-project/sallyport/verify/signify"
	"github.com/sallyport-project/sallyport/verify/signify/signifytest"
)

// keysPolicy has a channel for each of two keys.
func keysPolicy(mini, sig verify.PublicKey) string {
	key := func(k verify.PublicKey) string { return base64.StdEncoding.EncodeToString(k.Data) }
	return fmt.Sprintf(`version: 1
defaults: {hosts: inspect, unmatched: quarantine}
anchors:
  mini: {minisign: {key: %q}}
  sig: {signify: {key: %q}}
  both: {minisign: {key: %q}}
channels:
- {name: one, hosts: [origin.example], paths: ["/one/**"], require: [{signed_by: [mini]}]}
- {name: two, hosts: [origin.example], paths: ["/two/**"], require: [{signed_by: {anchors: [mini, sig], threshold: 2}}]}
`, key(mini), key(sig), key(mini))
}

// A channel is asked about by its own anchors: what others would need is neither fetched nor a finding.
func TestOnlyTheChannelsAnchorsAreAskedAbout(t *testing.T) {
	mini, sig := signifytest.NewKey(t, 1), signifytest.NewKey(t, 2)
	body := program(5000, "")
	var mu sync.Mutex
	asked := map[string]int{}
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		asked[req.URL.Path]++
		mu.Unlock()
		switch {
		case strings.HasSuffix(req.URL.Path, "/app.exe"):
			serving(body)(w, req)
		case strings.HasSuffix(req.URL.Path, "/app.exe.minisig"):
			serving(mini.Minisign(body, true, "file:app.exe"))(w, req)
		case strings.HasSuffix(req.URL.Path, "/app.exe.sig"):
			serving(sig.Signify(body))(w, req)
		default:
			http.NotFound(w, req)
		}
	})
	r.setPolicy(keysPolicy(mini.Public("minisign", ""), sig.Public("signify", "")))
	r.gate.Examiner = &verify.Examiner{Verifiers: []verify.Verifier{openpgp.New(), minisign.New(), signify.New(), detachedcms.New(), checksums.New()}}
	count := func(channel string) (n int) {
		if got := r.get("http://origin.example/" + channel + "/app.exe"); got.status != 200 {
			t.Errorf("%s: status %d %.500s", channel, got.status, got.body)
		}
		mu.Lock()
		defer mu.Unlock()
		for path, times := range asked {
			if strings.HasPrefix(path, "/"+channel+"/") && !strings.HasSuffix(path, "/app.exe") {
				n += times
			}
		}
		return n
	}
	one, two := count("one"), count("two")
	if one >= two {
		t.Errorf("%d sidecars for one key, %d for two: %v", one, two, asked)
	}
	if asked["/one/app.exe.sig"] != 0 || asked["/two/app.exe.sig"] == 0 || asked["/one/app.exe.minisig"] != 1 {
		t.Errorf("%v", asked)
	}
	for _, rec := range r.records() {
		for _, f := range rec.Findings {
			for _, a := range f.Anchors {
				if a == "both" || rec.Channel == "one" && a != "mini" {
					t.Errorf("channel %s: %s under anchor %s", rec.Channel, f.Code, a)
				}
			}
		}
	}
}

func TestTrustIsNarrowedOnceForEachSetOfAnchors(t *testing.T) {
	r := newRig(t, serving(nil))
	first, err := policy.Parse("p.yaml", fstest.MapFS{}, []byte(keysPolicy(signifytest.NewKey(t, 1).Public("", ""), signifytest.NewKey(t, 2).Public("", ""))))
	if err != nil {
		t.Fatal(err)
	}
	whole := r.gate.trustUnder(first)
	if whole != r.gate.trustUnder(first) {
		t.Error("computed twice")
	}
	a, b := whole.only([]string{"mini"}), whole.only([]string{"mini"})
	if len(a.PublicKeys) != 1 || &a.PublicKeys[0] != &b.PublicKeys[0] || a.Epoch != b.Epoch {
		t.Errorf("%+v %+v", a, b)
	}
	other := whole.only([]string{"mini", "sig"})
	if len(other.PublicKeys) != 2 || other.Epoch == a.Epoch || a.Epoch == whole.whole.Epoch || len(whole.whole.PublicKeys) != 3 {
		t.Errorf("%+v", other)
	}
	if none := whole.only(nil); len(none.PublicKeys) != 0 || none.Epoch == a.Epoch {
		t.Errorf("%+v", none)
	}
	for i := range trustedSets + 10 {
		whole.only([]string{fmt.Sprint(i)})
	}
	if len(whole.by) > trustedSets {
		t.Errorf("%d sets are kept", len(whole.by))
	}
	second, err := policy.Parse("p.yaml", fstest.MapFS{}, []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if again := r.gate.trustUnder(second); again == whole || again.only([]string{"mini"}).Epoch == a.Epoch {
		t.Error("another policy has the same trust")
	}
}
