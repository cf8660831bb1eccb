package quarantine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
	"unique"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

// Limits of what a state file holds. What comes from the outside is shortened to them, in bytes.
const (
	maxStateFile = 2 << 20
	maxScopes    = 32 // of one item; the oldest release gives way, where there is none the oldest quarantine
	maxScope     = 4096
	maxName      = 512
	maxURL       = 2048
	maxRecord    = 128
)

var errUnknownState = errors.New("unknown state")

// document is a state file: all that is known of one item.
type document struct {
	V      int                 `json:"v"` // 1
	SHA256 verify.Digest       `json:"sha256"`
	Size   int64               `json:"size"` // bytes
	Scopes map[string]standing `json:"scopes"`
}

// standing is what an item is on one scope.
type standing struct {
	State  State     `json:"state"`
	Since  time.Time `json:"since"` // UTC
	Origin Origin    `json:"origin"`
}

// checkScope refuses a scope that would not come back from a state file as it was, or would make it too large.
func checkScope(scope string) error {
	if len(scope) > maxScope {
		return fmt.Errorf("the scope has %d bytes, more than %d", len(scope), maxScope)
	}
	if !utf8.ValidString(scope) {
		return errors.New("the scope is not UTF-8")
	}
	return nil
}

// parseState reads the JSON of a state file.
func parseState(line []byte) (document, error) {
	var d document
	if len(line) > maxStateFile {
		return document{}, errors.New("state: too large")
	}
	if err := json.Unmarshal(line, &d); err != nil {
		return document{}, fmt.Errorf("state: %w", err)
	}
	switch {
	case d.V != 1:
		return document{}, fmt.Errorf("state: unknown version %d", d.V)
	case d.Size < 0 || d.Size > maxQuota:
		return document{}, fmt.Errorf("state: impossible size %d", d.Size)
	case len(d.Scopes) == 0 || len(d.Scopes) > maxScopes:
		return document{}, fmt.Errorf("state: %d scopes", len(d.Scopes))
	}
	for scope, s := range d.Scopes {
		if err := checkScope(scope); err != nil {
			return document{}, fmt.Errorf("state: %w", err)
		}
		if s.State != Released && s.State != Quarantined {
			return document{}, fmt.Errorf("state: %q on a scope", s.State)
		}
	}
	return d, nil
}

// put sets what the item is on a scope.
func (d *document) put(scope string, s standing) {
	d.Scopes[scope] = s
	for len(d.Scopes) > maxScopes {
		delete(d.Scopes, d.oldest(scope))
	}
}

// oldest returns the scope that gives way, which is never the one that is new.
func (d *document) oldest(not string) string {
	var found string
	var first *standing
	for scope, s := range d.Scopes {
		if scope == not {
			continue
		}
		if first == nil || s.State > first.State || s.State == first.State && s.Since.Before(first.Since) {
			found, first = scope, &s
		}
	}
	return found
}

// marks returns what memory keeps of a document.
func (d *document) marks() marks {
	out := make(marks, 0, len(d.Scopes))
	for scope, s := range d.Scopes {
		out = append(out, mark{scope: unique.Make(scope), state: s.State, since: s.Since})
	}
	return out
}

// document returns the state file of a blob: memory says which scopes there are, the file where the item came from.
func (v *Vault) document(b *blob, now marks) document {
	was, _, _ := v.readState(b.digest) // without it only the origins are lost
	d := document{V: 1, SHA256: b.digest, Size: b.size, Scopes: map[string]standing{}}
	for _, m := range now {
		scope := m.scope.Value()
		s := standing{State: m.state, Since: m.since}
		if old := was.Scopes[scope]; old.State == m.state {
			s.Origin = old.Origin
		}
		d.Scopes[scope] = s
	}
	return d
}

// readState reads a state file, which must be about the item it is named after, and when that was last used.
func (v *Vault) readState(digest verify.Digest) (document, time.Time, error) {
	line, used, err := readSealed(v.paths.state(digest), maxStateFile)
	if err != nil {
		return document{}, used, err
	}
	d, err := parseState(line)
	if err == nil && d.SHA256 != digest {
		err = errors.New("state: of another item")
	}
	if err != nil {
		return document{}, used, err
	}
	return d, used, nil
}

// writeState makes a state file durable.
func (v *Vault) writeState(d document) error {
	line, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return durable.WriteFile(v.paths.state(d.SHA256), seal(line), 0o600)
}

// shortened returns o as it is stored.
func (o Origin) shortened() Origin {
	o.Name = shorten(o.Name, maxName)
	o.URL = shorten(o.URL, maxURL)
	o.Format = verify.Format(shorten(string(o.Format), maxRecord))
	o.Record = shorten(o.Record, maxRecord)
	return o
}

// shorten cuts s to at most n bytes of UTF-8.
func shorten(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
