package proxy

import "testing"

func TestSourcesHold(t *testing.T) {
	s := NewSources([]string{
		"https://tuf.example/metadata/", "https://api.example:443/att/sha256:", "http://plain.example:8080/x/", "https://q.example/find?digest=",
		"https://bare.example", "ftp://files.example/", "https://user@creds.example/", "/relative/", "https://", "%zz",
	})
	if len(s) != 5 {
		t.Fatalf("%d sources: %v", len(s), s)
	}
	for ref, want := range map[string]bool{
		"https://tuf.example/metadata/1.root.json":              true,
		"HTTPS://TUF.example./metadata/1.root.json":             true,
		"https://tuf.example:443/metadata/1.root.json":          true,
		"https://tuf.example/metadata/a%2Fb.json":               true,
		"https://tuf.example/metadata/x.json?token=1":           true,
		"https://tuf.example/metadata":                          false,
		"https://tuf.example/metadata-of-others/1.root.json":    false,
		"https://tuf.example/Metadata/1.root.json":              false,
		"http://tuf.example/metadata/1.root.json":               false,
		"https://tuf.example:8443/metadata/1.root.json":         false,
		"https://tuf.example.evil.example/metadata/1.root.json": false,
		"https://a@tuf.example/metadata/1.root.json":            false,
		"https://tuf.example/metadata/../secret":                false,
		"https://tuf.example/metadata/%2e%2e/secret":            false,
		"https://tuf.example/metadata/..%2fsecret":              false,
		"https://tuf.example/metadata/%252e%252e%252fsecret":    false,
		`https://tuf.example/metadata/..%5csecret`:              false,
		"https://tuf.example/metadata/..;a=b/secret":            false,
		"https://tuf.example/metadata/./x":                      false,
		"https://tuf.example/metadata/..%20/secret":             false,
		"https://tuf.example/metadata/..%00/secret":             false,
		"https://tuf.example/metadata/.%09./secret":             false,
		"https://tuf.example/metadata/.../secret":               false,
		"https://tuf.example/metadata/a../x":                    true,
		"https://tuf.example/metadata/..json":                   true,
		"https://tuf.example/metadata%2fx":                      false,
		"https://api.example/att/sha256:abc":                    true,
		"https://api.example/att/sha512:abc":                    false,
		"http://plain.example:8080/x/y":                         true,
		"http://plain.example/x/y":                              false,
		"https://q.example/find?digest=abc":                     true,
		"https://q.example/find?digest=abc&x=1":                 true,
		"https://q.example/find?x=1":                            false,
		"https://q.example/find/more?digest=abc":                false,
		"https://bare.example/anything":                         true,
		"https://bare.example":                                  true,
		"https://bare.example.evil.example/":                    false,
		"ftp://files.example/x":                                 false,
		"mailto:someone@tuf.example":                            false,
	} {
		if got := s.Hold(mustURL(t, ref)); got != want {
			t.Errorf("%s: %v", ref, got)
		}
	}
}

func TestWhereASidecarLiesBesideTheOtherEnd(t *testing.T) {
	for _, c := range []struct{ at, base, other, want string }{
		{"https://s/x/uuid.asc", "https://s/x/uuid", "https://r/v1/app.tgz", "https://r/v1/app.tgz.asc"},
		{"https://s/x/a%20b.exe.sig", "https://s/x/a%20b.exe?k=1", "https://r/get/latest?os=1", "https://r/get/latest.sig"},
		{"https://s/x/SHA256SUMS", "https://s/x/uuid", "https://r/v1/app.tgz", "https://r/v1/SHA256SUMS"},
		{"https://s/y/SHA256SUMS", "https://s/x/uuid", "https://r/v1/app.tgz", ""},
		{"https://s/x/uuid.asc", "https://s/x/uuid", "https://r/", ""},
		{"https://s/x/app.asc", "https://s/x/app", "https://s/x/app?again", ""},
		{"https://s/app.asc", "https://s/app", "https://[2001:db8::1]:8443/a/b/app", "https://[2001:db8::1]:8443/a/b/app.asc"},
	} {
		got, ok := besideOther(mustURL(t, c.at), mustURL(t, c.base), mustURL(t, c.other))
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s: %v %v", c.at, got, ok)
		}
	}
}
