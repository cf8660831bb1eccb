package tuf

import (
	"bytes"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// FuzzTargetPath holds that a URL maps to the path that stands behind the prefix, unescaped once, and to no other.
func FuzzTargetPath(f *testing.F) {
	for _, s := range []string{
		"app/1.0/setup.exe", "../x", "a/../../b", "a%2fb", "a%252fb", "%2e%2e/x", "a//b", "a?b=c", "a#b", "a%00b", "", "/", "a/", `a\b`, "ü", "%zz",
		strings.Repeat("0", 64) + ".x", "a/" + strings.Repeat("f", 128) + ".x.y",
	} {
		f.Add(s)
	}
	const prefix = "https://updates.example.com/acme/targets/"
	f.Fuzz(func(t *testing.T, rest string) {
		u, err := url.Parse(prefix + rest)
		if err != nil {
			return
		}
		got, ok := targetPath(prefix, u)
		if !ok {
			return
		}
		if "/acme/targets/"+got != u.Path {
			t.Fatalf("%q is %q", u.Path, got)
		}
		// What a client makes of the path leads back to the same place.
		if again, err := url.Parse(prefix + (&url.URL{Path: "/" + got}).EscapedPath()[1:]); err != nil {
			t.Fatal(err)
		} else if back, ok := targetPath(prefix, again); !ok || back != got {
			t.Fatalf("%q leads to %q", got, back)
		}
		stripped, digits, ok := withoutDigest(got)
		if !ok {
			return
		}
		dir, base := path.Split(stripped)
		if !strings.HasSuffix(got, digits+"."+base) || dir+digits+"."+base != got || strings.Contains(digits, "/") {
			t.Fatalf("%q without its digest is %q and %q", got, stripped, digits)
		}
	})
}

// FuzzVerifyMetadata offers changed metadata: what is Valid means the same as one of the genuine files of its name.
func FuzzVerifyMetadata(f *testing.F) {
	w := newWorld(f, tuftest.Options{Keys: 2, Threshold: 2})
	files := w.server.State().Files
	names := []string{"1.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "1.tools.json"}
	for i, name := range names {
		f.Add(uint8(i), files["metadata/"+name])
	}
	f.Add(uint8(1), []byte(`{"signed":{"_type":"timestamp"},"signatures":[]}`))
	f.Add(uint8(2), []byte(`{"signatures":[`))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		name := names[int(which)%len(names)]
		genuine := files["metadata/"+name]
		a := artifact(t, base+"metadata/"+name, body)
		w.v.IsMetadata(a)
		found, err := w.v.Verify(t.Context(), a, w.env)
		if err != nil || len(found) != 1 {
			t.Fatalf("%v %+v", err, found)
		}
		if found[0].Status == verify.Valid && !bytes.Equal(signedPart(t, body), signedPart(t, genuine)) {
			t.Fatalf("%s is valid with another signed part: %s", name, body)
		}
	})
}
