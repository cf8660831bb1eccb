package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/verify"
)

const revocationSuffix = ".crl"

// revocationHead is the first line of a file of Revocations; the list, in DER, follows it. A file without a list is of a
// source from which none has come yet.
type revocationHead struct {
	V       int           `json:"v"` // 1
	URL     string        `json:"url"`
	Issuer  []byte        `json:"issuer"` // certificate, DER
	Named   []byte        `json:"named"`  // a certificate that names the URL, DER
	Seen    time.Time     `json:"seen"`
	Fetched time.Time     `json:"fetched,omitzero"`
	SHA256  verify.Digest `json:"sha256,omitzero"` // of the list
}

func (r *Revocations) path(s *revocationSource) string {
	return filepath.Join(r.Dir, s.key+revocationSuffix)
}

// store writes a source with its list. What cannot be written is still in force, and said so.
func (r *Revocations) store(s *revocationSource) {
	if r.Upstream == nil {
		return
	}
	r.mu.Lock()
	head := revocationHead{V: 1, URL: s.url, Issuer: s.issuer, Named: s.named, Seen: s.seen, Fetched: s.fetched, SHA256: s.sum}
	var list []byte
	if s.list != nil {
		list = s.list.List.Data
	}
	r.mu.Unlock()
	line, err := json.Marshal(head)
	if err == nil {
		data := make([]byte, 0, len(line)+1+len(list))
		err = durable.WriteFile(r.path(s), append(append(append(data, line...), '\n'), list...), 0o600)
	}
	if err != nil {
		r.Logger.Error("keeping a revocation list", zap.Error(err))
	}
}

func (r *Revocations) removeFile(s *revocationSource) {
	if r.Upstream == nil {
		return
	}
	if err := os.Remove(r.path(s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Logger.Error("removing a revocation list", zap.Error(err))
	}
}

// load reads all that is kept.
func (r *Revocations) load() error {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading revocation lists: %w", err)
	}
	total := 0
	for _, e := range entries {
		key, ok := strings.CutSuffix(e.Name(), revocationSuffix)
		if !ok || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if len(r.by) >= revocationSources || total > revocationTotal {
			break
		}
		s, err := r.loadOne(key)
		if s != nil {
			r.by[key] = s
			if s.list != nil {
				total += len(s.list.List.Data)
			}
		}
		if err != nil {
			r.Logger.Warn("a revocation list that was kept cannot be used; it is fetched again", zap.String("file", e.Name()), zap.Error(err))
		}
	}
	return nil
}

// loadOne reads one file. With an error the source may still be known, without its list.
func (r *Revocations) loadOne(key string) (*revocationSource, error) {
	f, err := os.Open(filepath.Join(r.Dir, key+revocationSuffix))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const maxHead = 64 << 10
	data, err := io.ReadAll(io.LimitReader(f, maxHead+revocationList+1))
	if err != nil {
		return nil, err
	}
	line, list, ok := bytes.Cut(data, []byte("\n"))
	var head revocationHead
	if !ok || json.Unmarshal(line, &head) != nil || head.V != 1 || revocationKey(head.URL, head.Issuer) != key {
		return nil, errors.New("it has no head that this version knows")
	}
	s := &revocationSource{key: key, url: head.URL, issuer: head.Issuer, named: head.Named, seen: head.Seen}
	if len(list) == 0 {
		return s, nil
	}
	s.sum = sha256.Sum256(list)
	if s.sum != head.SHA256 {
		return s, errors.New("it is damaged")
	}
	checked, err := r.Check(s.url, list, s.issuer, s.named)
	if err != nil {
		return s, err
	}
	s.list, s.fetched, s.tried = &checked, head.Fetched, head.Fetched
	return s, nil
}
