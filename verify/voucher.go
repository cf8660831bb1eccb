package verify

import (
	"context"
	"maps"
	"slices"
)

// Limits on what the catalogues of one artifact are believed to list.
const (
	maxVouches = 1 << 18
	maxSigners = 8 // of catalogues that list one digest
)

// askVouchers returns what a catalogue inside the artifact vouches for, if its own signature is Valid.
func (w *walk) askVouchers(ctx context.Context, a *Artifact, found []Finding) (list []Vouch) {
	for _, v := range w.examiner.Verifiers {
		if voucher, ok := v.(Voucher); ok && stands(found, v.Method()) {
			list = append(list, w.vouchesOf(ctx, voucher, a)...)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	list = list[:min(len(list), maxVouches-w.vouches)]
	w.vouches += len(list)
	return list
}

// vouchesOf asks one Voucher. One that fails or panics vouches for nothing.
func (w *walk) vouchesOf(ctx context.Context, v Voucher, a *Artifact) (list []Vouch) {
	defer w.examiner.recover(v.Method(), func(any) { list = nil })
	if !v.Match(a) {
		return nil
	}
	list, err := v.Vouches(ctx, a, w.env)
	if err != nil {
		return nil
	}
	return list
}

// stands reports whether a trusted signature was found and nothing that is wrong.
func stands(found []Finding, method string) bool {
	valid := false
	for _, f := range found {
		if f.Method == method && f.Status == Invalid {
			return false
		}
		valid = valid || f.Method == method && f.Status == Valid && !f.Signer.IsZero()
	}
	return valid
}

// digestKey is a digest by the name of its kind.
type digestKey struct{ kind, sum string }

// vouch gives every file what the catalogues beside it say about it. A signature of its own that is wrong stays wrong.
func (w *walk) vouch(root *node) {
	by := map[digestKey][]*Vouch{}
	root.each(func(n *node) {
		for i := range n.vouches {
			v := &n.vouches[i]
			key := digestKey{v.Digest, string(v.Sum)}
			if known := by[key]; len(known) < maxSigners && !slices.ContainsFunc(known, func(o *Vouch) bool { return sameSigner(o, v) }) {
				by[key] = append(known, v)
			}
		}
	})
	if len(by) > 0 {
		root.each(func(n *node) { n.vouched(by) })
	}
}

func sameSigner(a, b *Vouch) bool {
	return a.Finding.Status == b.Finding.Status && a.Finding.Signer == b.Finding.Signer && slices.Equal(a.Finding.Anchors, b.Finding.Anchors)
}

// each shows a file and all in it to visit, in the containers' order.
func (n *node) each(visit func(*node)) {
	visit(n)
	for _, child := range n.children {
		child.each(visit)
	}
}

// vouched adds what is said about the file by its first digest of which something is.
func (n *node) vouched(by map[digestKey][]*Vouch) {
	if n.inner.SHA256.IsZero() {
		return
	}
	list := by[digestKey{"sha256", string(n.inner.SHA256[:])}]
	for _, kind := range slices.Sorted(maps.Keys(n.inner.Taps)) {
		if len(list) > 0 {
			break
		}
		list = by[digestKey{kind, string(n.inner.Taps[kind])}]
	}
	for _, v := range list {
		f := v.Finding
		f.Subject = n.path
		n.findings = append(n.findings, f)
	}
}
