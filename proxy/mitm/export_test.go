package mitm

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestExport(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	ca := caOf(a)
	p, err := a.Export("pem")
	if err != nil || !bytes.Equal(p, a.PEM()) || !bytes.Equal(p, encodeCerts(ca)) {
		t.Errorf("pem: %v", err)
	}
	d, err := a.Export("der")
	if err != nil || !bytes.Equal(d, ca.Raw) {
		t.Errorf("der: %v", err)
	}
	if _, err := a.Export("jks"); err == nil || !strings.Contains(hintOf(err), "mobileconfig") {
		t.Errorf("unknown format: %v", err)
	}
	for _, format := range []string{"pem", "der", "mobileconfig"} {
		out, err := a.Export(format)
		if err != nil || bytes.Contains(out, []byte("PRIVATE")) {
			t.Errorf("%s: %v, or it holds the key", format, err)
		}
	}
}

// plist reads the keys and values of a property list in their order, as flat text, and fails on broken XML.
func plist(t *testing.T, data []byte) map[string][]string {
	t.Helper()
	values := make(map[string][]string)
	dec := xml.NewDecoder(bytes.NewReader(data))
	var element, key string
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			element = token.Name.Local
		case xml.CharData:
			text := strings.TrimSpace(string(token))
			switch {
			case text == "":
			case element == "key":
				key = text
			default:
				values[key] = append(values[key], text)
			}
		}
	}
}

func TestMobileconfig(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	a, err := Rotate(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	profile, err := a.Export("mobileconfig")
	if err != nil {
		t.Fatal(err)
	}
	values := plist(t, profile)
	if len(values["PayloadContent"]) != 2 {
		t.Fatalf("%d certificates in it, want the current and the previous one", len(values["PayloadContent"]))
	}
	der, err := base64.StdEncoding.DecodeString(values["PayloadContent"][0])
	if err != nil || !bytes.Equal(der, caOf(a).Raw) {
		t.Errorf("the first certificate is not the CA (%v)", err)
	}
	if got := strings.Join(values["PayloadType"], " "); got != "com.apple.security.root com.apple.security.root Configuration" {
		t.Errorf("payload types: %s", got)
	}
	seen := make(map[string]bool)
	for _, id := range values["PayloadUUID"] {
		if !regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`).MatchString(id) || seen[id] {
			t.Errorf("UUID %s is malformed or comes twice", id)
		}
		seen[id] = true
	}
	again, err := open(t, dir, Options{}).Export("mobileconfig")
	if err != nil || !bytes.Equal(again, profile) {
		t.Errorf("the same CA gives another profile (%v)", err)
	}
	if other, _ := open(t, t.TempDir(), Options{}).Export("mobileconfig"); plist(t, other)["PayloadUUID"][0] == values["PayloadUUID"][0] {
		t.Error("two CAs share a UUID")
	}
}

func TestMobileconfigEscapesNamesOfForeignCAs(t *testing.T) {
	key := rsaKey(t, 2048)
	p := newPKI(t, key, func(c *x509.Certificate) { c.Subject.CommonName = `A&B <CA> "1"` })
	a := open(t, t.TempDir(), files(t, key, 0o600, p.ca))
	profile, err := a.Export("mobileconfig")
	if err != nil {
		t.Fatal(err)
	}
	values := plist(t, profile)
	if values["PayloadDisplayName"][0] != `A&B <CA> "1"` || values["PayloadType"][0] != "com.apple.security.pkcs1" {
		t.Errorf("%q", values)
	}
}

func TestInfo(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	info, ca := a.Info(), caOf(a)
	if !info.Own || info.Fingerprint != a.Fingerprint() || len(info.Fingerprint) != 64 || info.Key != "ECDSA" ||
		!info.NotAfter.Equal(ca.NotAfter) || !strings.Contains(info.Subject, ca.Subject.CommonName) || info.Path == "" {
		t.Errorf("%+v", info)
	}
}
