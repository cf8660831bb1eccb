package quarantine

// Sizes of the steps in which room is taken for a download that did not announce its length: a quarter of what has
// come so far, within these bounds.
const (
	minStep = 256 << 10
	maxStep = 16 << 20
)

// reserve takes room for n more bytes of a client's download. The client's own share is looked at before anything of
// others is evicted for it.
func (v *Vault) reserve(client string, n int64, items int) error {
	v.lock()
	defer v.unlock()
	if v.closed {
		return ErrClosed
	}
	if v.shares[client]+n > v.options.ClientShare {
		return ErrShare
	}
	if err := v.makeRoom(n, items); err != nil {
		return err
	}
	v.share(client, n)
	v.total += n
	v.coming.bytes += n
	v.coming.items += items
	v.unwritten.Add(n)
	return nil
}

// unreserve gives back the room of a download that ends, of which so many bytes were not written. It is called
// under mu.
func (v *Vault) unreserve(client string, n, unwritten int64) {
	v.share(client, -n)
	v.total -= n
	v.coming.bytes -= n
	v.coming.items--
	v.unwritten.Add(-unwritten)
}

// share adds n to what counts against a client. It is called under mu.
func (v *Vault) share(client string, n int64) {
	if v.shares[client] += n; v.shares[client] == 0 {
		delete(v.shares, client)
	}
}

// grow takes more room for a download of which n bytes have come: a step ahead of them if it can, else exactly that.
func (t *transfer) grow(n int64) error {
	step := min(max(n/4, minStep), maxStep)
	if t.limit-n < step {
		step = t.limit - n
	}
	err := t.vault.reserve(t.client, n+step-t.reserved, 0)
	if err == nil {
		t.reserved = n + step
		return nil
	}
	if step == 0 || err == ErrClosed {
		return err
	}
	if err := t.vault.reserve(t.client, n-t.reserved, 0); err != nil {
		return err
	}
	t.reserved = n
	return nil
}
