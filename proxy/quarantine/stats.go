package quarantine

// Stats is what a vault holds and has lost. Sizes are in bytes.
type Stats struct {
	Held        Tally // downloads under way, with the room that is reserved for them, and what is not settled
	Released    Tally
	Quarantined Tally
	Quota       int64
	Evicted     int64 // released items that gave way to others since Open
	Displaced   int64 // quarantined items that gave way to newer ones, or had no room, since Open
	Broken      int64 // items whose bytes or state were found missing or damaged, Open included
}

// Tally counts items.
type Tally struct {
	Items int64
	Bytes int64
}

// Stats returns what the vault holds now. It is cheap.
func (v *Vault) Stats() Stats {
	v.lock()
	defer v.unlock()
	s := v.counts
	s.Quota = v.options.Quota
	s.Held = v.line[Held].tally()
	s.Held.Items += int64(v.coming.items)
	s.Held.Bytes += v.coming.bytes
	s.Released = v.line[Released].tally()
	s.Quarantined = v.line[Quarantined].tally()
	return s
}

func (l *line) tally() Tally { return Tally{Items: int64(l.Len()), Bytes: l.bytes} }
