package sigstore

import (
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/lru"
	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

// locals holds what the operator's own documents are about, so that an update costs no more than a look for each of them: there may
// be a thousand, and few of them are about any one update.
type locals = lru.Cache[localKey, *local]

const maxLocals = 128 << 20 // bytes of documents whose digests are kept, and with them the documents: twice what a policy may have

// localKey tells documents apart by where their bytes are: a policy's do not change. Nothing else can be there as long as the key is kept.
type localKey struct {
	first *byte
	size  int
}

// local is one document of the operator's.
type local struct {
	read    sync.Once
	sum     verify.Digest
	digests map[string]map[string]bool // by algorithm: what its bundles say they are about
	open    bool                       // it may be about anything
}

// local returns what is known of a document. It is read once, by whoever comes first.
func (v *Verifier) local(data []byte) *local {
	v.once.Do(func() { v.locals = lru.New[localKey, *local](maxLocals) })
	if len(data) == 0 {
		return &local{}
	}
	key := localKey{&data[0], len(data)}
	l, ok := v.locals.Get(key)
	if !ok {
		l = &local{}
		v.locals.Put(key, l, int64(len(data)))
	}
	l.read.Do(func() { l.index(data) })
	return l
}

// index takes note of the digests in a document.
func (l *local) index(data []byte) {
	l.sum = sha256.Sum256(data)
	l.digests = map[string]map[string]bool{}
	entries, err := readDocument(data)
	var broken *core.Error
	switch {
	case errors.Is(err, errOther), errors.As(err, &broken):
		return // says nothing: see document
	case err != nil:
		l.open = true
		return
	}
	for _, e := range entries {
		if e.err == nil && !e.bundle.Digests(l.add) {
			l.open = true
		}
	}
}

func (l *local) add(algorithm string, sum []byte) {
	if l.digests[algorithm] == nil {
		l.digests[algorithm] = map[string]bool{}
	}
	l.digests[algorithm][string(sum)] = true
}

// concerns reports whether there may be a bundle about the artifact in it.
func (l *local) concerns(s *session) (bool, error) {
	if l.open || l.digests["sha256"][string(s.artifact.SHA256[:])] {
		return true, nil
	}
	for _, algorithm := range []string{"sha512", "sha384"} {
		if len(l.digests[algorithm]) == 0 {
			continue
		}
		if sum, err := s.artifact.Digest(algorithm); err != nil || l.digests[algorithm][string(sum)] {
			return err == nil, err
		}
	}
	return false, nil
}

// local reads those of the operator's own documents that are about the update.
func (s *session) local(v *Verifier) error {
	for i := range s.env.Trust.Sigstore {
		for _, doc := range s.env.Trust.Sigstore[i].Local {
			l := v.local(doc.Data)
			ours, err := l.concerns(s)
			if err != nil {
				return err
			}
			if !ours {
				continue
			}
			if err := s.document(doc.Data, verify.Reference{URL: "policy:" + doc.Name, SHA256: l.sum}, kind{shared: true}); err != nil {
				return err
			}
		}
	}
	return nil
}
