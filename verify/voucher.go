package verify

import "context"

// askVouchers notes what a catalogue inside the artifact vouches for, if its own signature is Valid.
func (w *walk) askVouchers(ctx context.Context, a *Artifact, found []Finding) {
	for _, v := range w.examiner.Verifiers {
		voucher, ok := v.(Voucher)
		if !ok || !stands(found, v.Method()) {
			continue
		}
		list := w.vouchesOf(ctx, voucher, a)
		w.mu.Lock()
		w.vouches = append(w.vouches, list[:min(len(list), maxVouches-len(w.vouches))]...)
		w.mu.Unlock()
	}
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

// vouch gives every file what the catalogues beside it say about it. A signature of its own that is wrong stays wrong.
func (w *walk) vouch(root *node) {
	if len(w.vouches) == 0 {
		return
	}
	by := make(map[string]*Vouch, len(w.vouches))
	for i := range w.vouches {
		v := &w.vouches[i]
		by[v.Digest+":"+string(v.Sum)] = v
	}
	var visit func(*node)
	visit = func(n *node) {
		n.vouched(by)
		for _, child := range n.children {
			visit(child)
		}
	}
	visit(root)
}

func (n *node) vouched(by map[string]*Vouch) {
	if n.inner.SHA256.IsZero() {
		return
	}
	add := func(digest string, sum []byte) bool {
		v, ok := by[digest+":"+string(sum)]
		if ok {
			f := v.Finding
			f.Subject = n.path
			n.findings = append(n.findings, f)
		}
		return ok
	}
	if add("sha256", n.inner.SHA256[:]) {
		return
	}
	for name, sum := range n.inner.Taps {
		if add(name, sum) {
			return
		}
	}
}
