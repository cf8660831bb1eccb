package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Bounds of how old metadata may be before it is asked for again.
const (
	usualRefresh = 10 * time.Minute
	minRefresh   = time.Second
	maxRefresh   = 7 * 24 * time.Hour
)

// tufAnchor reads a tuf anchor: one repository, or several and the map file (TAP 4) that says which of them have to agree.
func (b *builder) tufAnchor(a *anchor, n node) *verify.TUFAnchor {
	t := &verify.TUFAnchor{Anchor: a.name, Targets: baseURL(n.get("targets")), Refresh: refresh(n)}
	one, several := n.get("root").present() || n.get("metadata").present(), n.get("map").present() || n.get("roots").present()
	switch {
	case !n.present():
	case one && several:
		b.add(n, "root and metadata are one repository, map and roots are several", "a tuf anchor has either root and metadata, or map and roots")
	case several:
		b.tufMap(t, n)
	case one && n.get("root").present() && n.get("metadata").present():
		t.Repositories = []verify.TUFRepository{b.tufRepository(n)}
	default:
		b.add(n, "", "a tuf anchor needs root and metadata, or map and roots")
	}
	return t
}

// tufRepository reads what root and metadata of a mapping say of one repository.
func (b *builder) tufRepository(n node) verify.TUFRepository {
	return verify.TUFRepository{Root: b.tufRoot(n.get("root")), Metadata: []string{baseURL(n.get("metadata"))}}
}

// tufRoot reads a file of root metadata. What is in it beyond its kind is for whoever verifies with it.
func (b *builder) tufRoot(n node) []byte {
	data, ok := b.named(n, "root metadata")
	if !ok {
		return nil
	}
	if err := looksRoot(data); err != nil {
		hint := ""
		if looksTrustedRoot(data) {
			hint = "it is a trusted root of Sigstore, which belongs into a sigstore anchor"
		}
		b.add(n, hint, "the root metadata %s cannot be used: %v", quote(n.text()), err)
	}
	return data
}

// looksRoot says why data is not root metadata by its outline (TUF specification section 4.3).
func looksRoot(data []byte) error {
	var m struct {
		Signatures []json.RawMessage `json:"signatures"`
		Signed     struct {
			Type string `json:"_type"`
		} `json:"signed"`
	}
	switch err := json.Unmarshal(data, &m); {
	case err != nil:
		return errors.New("it is no JSON object as the TUF specification has it")
	case m.Signed.Type == "":
		return errors.New("it is no TUF metadata")
	case m.Signed.Type != "root":
		return fmt.Errorf("it is TUF metadata of the role %s", quote(m.Signed.Type))
	case len(m.Signatures) == 0:
		return errors.New("nobody has signed it")
	}
	return nil
}

// refresh returns how old metadata may be before it is asked for again.
func refresh(n node) time.Duration {
	if d, err := parseDuration(n.get("refresh").text()); err == nil {
		return d
	}
	return usualRefresh
}

func checkRefresh(s string) error {
	d, err := parseDuration(s)
	if err == nil && (d < minRefresh || d > maxRefresh) {
		err = fmt.Errorf("metadata can be asked for again after %s to 7d, not %s", minRefresh, quote(s))
	}
	return err
}

// parseBase reads a URL below which files are found, and returns it with a slash at its end.
func parseBase(s string) (string, error) {
	u, err := parseURL(s)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#") {
		return "", fmt.Errorf("%s has a query or fragment: files are looked for below it", quote(s))
	}
	if err := plainPath(u); err != nil {
		return "", fmt.Errorf("%s %w", quote(s), err)
	}
	if !strings.HasSuffix(s, "/") {
		s += "/"
	}
	return s, nil
}

// plainPath says what would let a URL lead elsewhere than it looks.
func plainPath(u *url.URL) error {
	parts := strings.Split(u.Path, "/")
	if slices.Contains(parts, "..") || slices.Contains(parts, ".") || strings.ContainsAny(u.Path, "\\") {
		return errors.New("has a . or .. or a backslash in its path")
	}
	return nil
}

// baseURL reads a URL that the check has accepted.
func baseURL(n node) string {
	s, _ := parseBase(n.text())
	return s
}
