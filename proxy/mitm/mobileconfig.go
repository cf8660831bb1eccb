package mitm

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
)

// mobileconfig returns an Apple configuration profile that installs certificates (Apple's "Configuration Profile
// Reference": the profile and its com.apple.security.root and .pkcs1 payloads). Its identifiers follow from the certificates, so
// that installing the same CA twice replaces the profile and another CA never does.
func mobileconfig(certs []*x509.Certificate) []byte {
	var payloads bytes.Buffer
	all := sha256.New()
	for _, c := range certs {
		all.Write(c.Raw)
		kind := "com.apple.security.pkcs1"
		if selfSigned(c) {
			kind = "com.apple.security.root"
		}
		id := profileUUID("certificate", c.Raw)
		fmt.Fprintf(&payloads, `		<dict>
			<key>PayloadCertificateFileName</key>
			<string>sallyport-%s.cer</string>
			<key>PayloadContent</key>
			<data>%s</data>
			<key>PayloadDescription</key>
			<string>Adds the certificate authority of the network's update proxy</string>
			<key>PayloadDisplayName</key>
			<string>%s</string>
			<key>PayloadIdentifier</key>
			<string>sallyport.ca.%s</string>
			<key>PayloadType</key>
			<string>%s</string>
			<key>PayloadUUID</key>
			<string>%s</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
		</dict>
`, fingerprint(c)[:8], base64.StdEncoding.EncodeToString(c.Raw), escapeXML(displayName(c)), id, kind, id)
	}
	id := profileUUID("profile", all.Sum(nil))
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadContent</key>
	<array>
%s	</array>
	<key>PayloadDescription</key>
	<string>Lets this device accept connections that the network's update proxy, Sallyport, inspects.</string>
	<key>PayloadDisplayName</key>
	<string>Sallyport update proxy</string>
	<key>PayloadIdentifier</key>
	<string>sallyport.profile.%s</string>
	<key>PayloadRemovalDisallowed</key>
	<false/>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadUUID</key>
	<string>%s</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
</dict>
</plist>
`, payloads.Bytes(), id, id)
}

func displayName(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return c.Subject.CommonName
	}
	return subject(c)
}

func escapeXML(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // a Buffer never fails
	return b.String()
}

// profileUUID returns a UUID of version 8 (RFC 9562, 5.8) that follows from what it names.
func profileUUID(kind string, data []byte) string {
	sum := sha256.Sum256(append([]byte("sallyport "+kind+"\x00"), data...))
	u := sum[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
