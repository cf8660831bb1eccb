package reputation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

func viewOf(t *testing.T, lists ...string) *View {
	t.Helper()
	v := &View{}
	for i, text := range lists {
		set, summary, err := build(t.Context(), bytesContent([]byte(text)), Reading{}, "", testTime)
		if err != nil {
			t.Fatal(err)
		}
		v.lists = append(v.lists, &list{feed: &Feed{Name: fmt.Sprint("list", i)}, set: set, success: testTime, summary: summary})
	}
	return v
}

func TestMatchLocations(t *testing.T) {
	v := viewOf(t, "http://evil.example/a/b.exe\nhttps://q.example/x?id=1\nbad.example\ngithub.io\n198.51.100.7\n*.co.uk\nhttp://[2001:db8::1]:8080/x\nb\u00fccher.example\n")
	for u, want := range map[string]string{
		"https://evil.example/a/b.exe":            "url",
		"http://EVIL.example.:80/x/../a//b%2Eexe": "url",
		"http://evil.example/a/b.exe?token=1#f":   "url",
		"http://evil.example:8080/a/b.exe":        "",
		"http://evil.example/A/b.exe":             "",
		"http://evil.example/":                    "",
		"https://q.example/x?id=1":                "url",
		"https://q.example/x?id=2":                "",
		"https://q.example/x":                     "",
		"https://bad.example/any":                 "domain",
		"https://cdn.eu.bad.example/any":          "domain",
		"https://notbad.example/any":              "",
		"https://github.io/":                      "host",
		"https://somebody.github.io/":             "",
		"https://x.co.uk/":                        "domain",
		"http://198.51.100.7/x":                   "host",
		"http://[2001:db8:0::1]:8080/x":           "url",
		"https://xn--bcher-kva.example/":          "domain",
		"https://B\u00dcCHER.example/":            "domain",
		"file:///etc/passwd":                      "",
		"not a url":                               "",
	} {
		hits, err := v.Match(Subject{URLs: []string{u}})
		got := ""
		if len(hits) > 0 {
			got = hits[0].Kind.String()
		}
		if err != nil || got != want || len(hits) > 1 {
			t.Errorf("%s: %v, %v; want %q", u, hits, err, want)
		}
	}
}

func TestMatchCertificatesOfAnUpdate(t *testing.T) {
	sum := bytes.Repeat([]byte{0xaa}, 32)
	set := func(how Reading, text string) *list {
		s, _, err := build(t.Context(), bytesContent([]byte(text)), how, "", testTime)
		if err != nil {
			t.Fatal(err)
		}
		return &list{feed: &Feed{Name: string(how.Values)}, set: s}
	}
	v := &View{lists: []*list{set(Reading{Values: ValuesCertificate}, hexOf("a", 32)+" Shell Company\n"), set(Reading{Values: ValuesSerial}, "0x00:36F7D432F4AB70EAD3\n")}}
	report := verify.Report{
		Findings: []verify.Finding{
			{Subject: "disk1.cab/a.dll", Method: "authenticode", Status: verify.Invalid, Signer: verify.Identity{Fingerprint: fmt.Sprintf("%X", sum)}},
			{Subject: "", Method: "authenticode", Status: verify.Valid, Signer: verify.Identity{Fingerprint: hexOf("b", 32)}},
			{Subject: "somewhere.cat", Method: "catalog", Status: verify.Untrusted, Signer: verify.Identity{Fingerprint: hexOf("a", 32)}},
		},
		Contents: &verify.Contents{Inner: []verify.Inner{{Path: "disk1.cab/a.dll", SHA256: numbered(1)}, {Path: "disk1.cab/b.dll", SHA256: numbered(2)}}},
	}
	var got []string
	for _, s := range Subjects(Subject{SHA256: numbered(0), At: testTime}, report) {
		hits, err := v.Match(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			got = append(got, h.Path+" "+h.Feed+" "+h.Label)
		}
	}
	if strings.Join(got, ", ") != "disk1.cab/a.dll certificate Shell Company, somewhere.cat certificate Shell Company" {
		t.Errorf("%q", got)
	}
	serial, _ := new(big.Int).SetString("36f7d432f4ab70ead3", 16)
	c := NewCertificate(&x509.Certificate{SerialNumber: serial, Issuer: pkix.Name{CommonName: "Some CA"}})
	if hits, err := v.Match(Subject{Certificates: []Certificate{c}}, "serial"); err != nil || len(hits) != 1 {
		t.Errorf("by serial number: %v, %v", hits, err)
	}
	if hits, _ := v.Match(Subject{Certificates: []Certificate{c}}, "certificate"); len(hits) != 0 {
		t.Errorf("a list that was not asked: %v", hits)
	}
}

func TestMatchPackages(t *testing.T) {
	v := viewOf(t, "pkg:npm/evil\npkg:npm/left-pad@1.3.0\npkg:maven/g/a@1.0\n",
		`[{"id":"MAL-1","affected":[{"package":{"ecosystem":"Maven","name":"g:a"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"2.0"}]}]}]}]`)
	for p, want := range map[Package]string{
		{"npm", "evil", "9.9.9"}: "listed", {"npm", "evil", ""}: "listed", {"npm", "left-pad", "1.3.0"}: "listed", {"npm", "left-pad", "1.3.1"}: "",
		{"npm", "left-pad", ""}: "unclear", {"npm", "Evil", "1.0.0"}: "", {"PyPI", "evil", "1"}: "", {"Maven", "g:a", "3.0"}: "unclear",
	} {
		hits, err := v.Match(Subject{Packages: []Package{p}})
		got := ""
		for _, h := range hits {
			if got = "listed"; h.Unclear {
				got = "unclear"
			}
		}
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %q", p, hits, err, want)
		}
	}
}

func TestStateOfAView(t *testing.T) {
	if s := (&View{}).State("x", testTime); s.Status != Never || s.Status.String() != "never" {
		t.Errorf("%+v", s)
	}
	v := viewOf(t, hexOf("a", 32)+"\n")
	l := v.lists[0]
	l.feed.MaxAge, l.date = 48*time.Hour, testTime.Add(-72*time.Hour)
	if s := v.State("list0", testTime); s.Status != Stale || !strings.Contains(s.Reason, "its own date") {
		t.Errorf("an old list: %+v", s)
	}
	if l.date = (time.Time{}); v.State("list0", testTime).Status != Stale {
		t.Error("a list whose age cannot be told is fresh")
	}
	if l.date = testTime.Add(-time.Hour); v.State("list0", testTime).Status != Fresh {
		t.Error("a new list is stale")
	}
	if k := v.Kinds(); !k.Has(KindSHA256) || k.Has(KindMD5) {
		t.Errorf("kinds %b", k)
	}
}
