package tufclient

import "time"

// Limits bound what a repository may cost. A zero field has its default.
type Limits struct {
	Root, Timestamp, Snapshot, Targets int64         // bytes of one file: 512 KiB, 64 KiB, 16 MiB, 32 MiB
	RootRotations                      int           // how many roots one Refresh follows: 256
	Roles                              int           // how many roles one look-up visits: 64
	Delegations                        int           // how many roles one file delegates to: 32,768
	Keys, Signatures                   int           // how many one file has: 4,096 and 256
	Depth                              int           // how deep JSON may nest: 32
	LookupBytes                        int64         // what one look-up fetches: 64 MiB
	Loaded                             int           // how many delegated roles are kept in memory: 32,768
	ClockSlack                         time.Duration // how far the clock may be set back unnoticed: 5 minutes
	Overlap                            time.Duration // how long a superseded set still counts for Offer: 10 minutes
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Root, 512<<10)
	orDefault(&l.Timestamp, 64<<10)
	orDefault(&l.Snapshot, 16<<20)
	orDefault(&l.Targets, 32<<20)
	orDefault(&l.RootRotations, 256)
	orDefault(&l.Roles, 64)
	orDefault(&l.Delegations, 32768)
	orDefault(&l.Keys, 4096)
	orDefault(&l.Signatures, 256)
	orDefault(&l.Depth, 32)
	orDefault(&l.LookupBytes, 64<<20)
	orDefault(&l.Loaded, 32768)
	orDefault(&l.ClockSlack, 5*time.Minute)
	orDefault(&l.Overlap, 10*time.Minute)
	return l
}

func orDefault[T ~int | ~int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
