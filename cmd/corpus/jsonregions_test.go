package main

import (
	"strings"
	"testing"
)

func TestSameJSON(t *testing.T) {
	const one = `{"sig":"ABCDEF0123456789ABCD","list":[1,"AAAAAAAAAAAAAAAAAAAAAA=="]}`
	for other, same := range map[string]bool{
		one: true,
		`{ "list":[1,"AAAAAAAAAAAAAAAAAAAAAB=="], "sig":"abcdef0123456789abcd"}`: true, // unused bits, and another case
		strings.Replace(one, "[1,", "[2,", 1):                                    false,
		strings.Replace(one, "AAA=", "AQA=", 1):                                  false,
		strings.Replace(one, "sig", "siG", 1):                                    false,
		one[1:]:                                                                  false,
		one + one:                                                                false,
	} {
		if sameJSON([]byte(one), []byte(other)) != same {
			t.Errorf("%s: want %v", other, same)
		}
	}
}

func TestUncoveredRegionsOfJSON(t *testing.T) {
	for name, c := range map[string]struct{ data, free string }{
		"a single TUF signature": {`{"signatures":[{"keyid":"a","sig":"b"}],"signed":{}}`, ""},
		"two TUF signatures":     {`{"signatures":[{"keyid":"a","sig":"b"},{"keyid":"c","sig":"d"}],"signed":{}}`, `"signatures":[{"keyid":"a","sig":"b"},{"keyid":"c","sig":"d"}]`},
		"Rekor 1":                {`{"kindVersion":{"kind":"intoto","version":"0.0.2"},"canonicalizedBody":"abc"}`, `"kind":"intoto","version":"0.0.2"`},
		"Rekor 2":                {`{"kind":"dsse","version":"0.0.2","canonicalizedBody":"abc"}`, "abc"},
		"a witness":              {`{"envelope":"log.example\n1\n\n\u2014 log.example AAA\n\u2014 other BBB\n"}`, `\u2014 other BBB\n|log.example`},
		"the chain":              {`{"x509CertificateChain":{"certificates":[{"rawBytes":"leaf"},{"rawBytes":"authority"}]}}`, `,{"rawBytes":"authority"}`},
	} {
		got := map[string]bool{}
		for _, r := range regionsOf("x.json", []byte(c.data)) {
			got[c.data[r.from:r.to]] = true
		}
		want := map[string]bool{}
		for part := range strings.SplitSeq(c.free, "|") {
			want[part] = part != ""
		}
		for part := range want {
			if want[part] && !got[part] {
				t.Errorf("%s: %q is not free, but %v", name, part, got)
			}
		}
		for part := range got {
			if !want[part] && part != "" {
				t.Errorf("%s: %q is free", name, part)
			}
		}
	}
}
