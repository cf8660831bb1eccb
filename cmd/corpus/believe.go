package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"io"
	"strings"
)

// believe judges a sample again, that is signed by nobody known, with the authorities in its own signature as roots, so
// that copies of it can be judged as well. It reports whether that makes sense.
func (s *session) believe(ctx context.Context, r *result) bool {
	if !strings.Contains(r.ours.text, "/untrusted-root") {
		return false
	}
	f := *r.subject
	f.trust.CodeSigning = authoritiesIn(signaturesOf(f.data))
	f.believed = " (own root believed)"
	if len(f.trust.CodeSigning) == 0 {
		return false
	}
	v := oursOf(s.examine(ctx, &f, f.data, s.sidecars(&f)))
	if !v.accepted {
		// It fits, and is not good enough for another reason: a change must show all the same.
		f.believed = " (own root believed, still untrusted)"
	}
	r.subject = &f
	return v.accepted || strings.HasPrefix(v.text, "untrusted ")
}

// signaturesOf returns the bytes in which a signature's certificates lie unpacked.
func signaturesOf(data []byte) []byte {
	if block := scriptSignature(data); block != nil {
		return block
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil || !bytes.HasPrefix(data, []byte("PK")) {
		return data
	}
	var out bytes.Buffer
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, ".p7s") || strings.HasSuffix(f.Name, ".p7x") || strings.HasSuffix(f.Name, ".psdsxs") {
			if r, err := f.Open(); err == nil {
				io.Copy(&out, io.LimitReader(r, 16<<20))
				r.Close()
			}
		}
	}
	return out.Bytes()
}

// authoritiesIn looks for certificates of authorities, and for those that issued themselves.
func authoritiesIn(data []byte) (out []*x509.Certificate) {
	add := func(der []byte) {
		if c, err := x509.ParseCertificate(der); err == nil && (c.IsCA || bytes.Equal(c.RawIssuer, c.RawSubject)) {
			out = append(out, c)
		}
	}
	each(data, "\x30\x82", 8, func(at int) {
		if end := at + 4 + int(binary.BigEndian.Uint16(data[at+2:])); end <= len(data) && data[at+4] == 0x30 {
			add(data[at:end])
		}
	})
	// In XML signatures certificates are base64 in an element.
	for _, part := range strings.Split(string(data), "X509Certificate>") {
		text, _, _ := strings.Cut(part, "<")
		if block, _ := pem.Decode([]byte("-----BEGIN CERTIFICATE-----\n" + strings.TrimSpace(text) + "\n-----END CERTIFICATE-----\n")); block != nil {
			add(block.Bytes)
		}
	}
	return out
}
