package policy

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// trustedRoot reads the instance that a sigstore anchor belongs to: a file, or the TUF repository that publishes it.
func (b *builder) trustedRoot(s *verify.SigstoreAnchor, n node) {
	switch {
	case !n.present():
	case n.text() != "":
		data, ok := b.named(n, "trusted root")
		if !ok {
			return
		}
		if _, err := parseTrustedRoot(data); err != nil {
			hint := ""
			if looksRoot(data) == nil {
				hint = "it is root metadata of a TUF repository: write trusted_root: {root: …, metadata: …, targets: …}"
			}
			b.add(n, hint, "the trusted root %s cannot be used: %v", quote(n.text()), err)
			return
		}
		s.TrustedRoot = data
	default:
		s.RootSource = &verify.TUFAnchor{Anchor: s.Anchor, Targets: baseURL(n.get("targets")), Refresh: refresh(n)}
		s.RootSource.Repositories = []verify.TUFRepository{b.tufRepository(n)}
	}
}

// trustedRootOutline is how much of each kind a trusted root names.
type trustedRootOutline struct{ logs, certificateLogs, authorities, timestamping int }

const trustedRootType = "application/vnd.dev.sigstore.trustedroot"

// parseTrustedRoot reads the outline of a trusted_root.json (protobuf-specs, sigstore_trustroot.proto) in either of the
// spellings that JSON of protocol buffers may have. Whoever verifies reads all of it.
func parseTrustedRoot(data []byte) (out trustedRootOutline, err error) {
	var m struct {
		MediaType            string            `json:"mediaType"`
		MediaType2           string            `json:"media_type"`
		Logs                 []json.RawMessage `json:"tlogs"`
		CertificateLogs      []json.RawMessage `json:"ctlogs"`
		Authorities          []json.RawMessage `json:"certificateAuthorities"`
		Authorities2         []json.RawMessage `json:"certificate_authorities"`
		TimestampAuthorities []json.RawMessage `json:"timestampAuthorities"`
		Timestamping2        []json.RawMessage `json:"timestamp_authorities"`
	}
	if json.Unmarshal(data, &m) != nil {
		return out, errors.New("it is no JSON object as a trusted_root.json is one")
	}
	if !strings.HasPrefix(m.MediaType+m.MediaType2, trustedRootType) {
		return out, errors.New("its media type is not that of a trusted root of Sigstore")
	}
	out.logs, out.certificateLogs = len(m.Logs), len(m.CertificateLogs)
	out.authorities = len(m.Authorities) + len(m.Authorities2)
	out.timestamping = len(m.TimestampAuthorities) + len(m.Timestamping2)
	return out, nil
}

func looksTrustedRoot(data []byte) bool {
	_, err := parseTrustedRoot(data)
	return err == nil
}
