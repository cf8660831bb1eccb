package tuf

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// A redirect does not let one target take the place of another.
func TestTargetsThatWereAskedForBeforeRedirects(t *testing.T) {
	w := newWorld(t, tuftest.Options{})
	const elsewhere = "https://store.example.com/0b5e"
	look := func(at string, body []byte, asked ...string) []verify.Finding {
		a := artifact(t, at, body)
		for _, ref := range asked {
			u, err := url.Parse(ref)
			if err != nil {
				t.Fatal(err)
			}
			a.Asked = append(a.Asked, u)
		}
		found, err := w.v.Verify(context.Background(), a, w.env)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, c := range []struct {
		name  string
		at    string
		body  []byte
		asked []string
		code  string
	}{
		{"nothing", base + "targets/" + tool, toolBytes, nil, "tuf/listed"},
		{"itself", base + "targets/" + tool, toolBytes, []string{base + "targets/" + tool}, "tuf/listed"},
		{"no target", base + "targets/" + tool, toolBytes, []string{base + "latest/x.exe", base + "targets/latest.exe"}, "tuf/listed"},
		{"another target", base + "targets/" + tool, toolBytes, []string{base + "targets/" + app}, "tuf/digest-mismatch"},
		{"another target, in a roundabout way", base + "targets/" + tool, toolBytes, []string{base + "targets/" + app, base + "hop", base + "targets/latest.exe"}, "tuf/digest-mismatch"},
		{"another target without TLS", base + "targets/" + tool, toolBytes, []string{"http://updates.example.com/acme/targets/" + app}, "tuf/digest-mismatch"},
		{"another target without TLS, by port", base + "targets/" + tool, toolBytes, []string{"http://Updates.example.com:80/acme/targets/" + app}, "tuf/digest-mismatch"},
		{"itself without TLS", base + "targets/" + tool, toolBytes, []string{"http://updates.example.com/acme/targets/" + tool}, "tuf/listed"},
		{"from a target without TLS to a store", elsewhere, toolBytes, []string{"http://updates.example.com/acme/targets/" + tool}, "tuf/listed"},
		{"a target that is no more", base + "targets/" + app, toolBytes, []string{base + "targets/gone.exe"}, "tuf/digest-mismatch"},
		{"from a target to a store", elsewhere, toolBytes, []string{base + "targets/" + tool}, "tuf/listed"},
		{"from another target to a store", elsewhere, toolBytes, []string{base + "targets/" + app}, "tuf/digest-mismatch"},
		{"from two targets to a store", elsewhere, toolBytes, []string{base + "targets/" + app, base + "targets/" + tool}, "tuf/digest-mismatch"},
		{"from no target to a store", elsewhere, toolBytes, []string{base + "targets/gone.exe"}, "tuf/not-listed"},
		{"from elsewhere to a store", elsewhere, toolBytes, []string{base + "latest"}, ""},
	} {
		found := look(c.at, c.body, c.asked...)
		code := ""
		if len(found) > 0 {
			code = found[0].Code
		}
		if code != c.code || len(found) > 1 {
			t.Errorf("%s: %+v, want %s", c.name, found, c.code)
		}
		if strings.HasPrefix(c.name, "another target") && !strings.Contains(found[0].Detail, `asked for as "`+app+`"`) {
			t.Errorf("%s: the detail does not say what was asked for: %s", c.name, found[0].Detail)
		}
	}
}
