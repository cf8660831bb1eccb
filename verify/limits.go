package verify

import (
	"fmt"
	"time"
)

// Limits bound what is done for what is inside one artifact. The breach of one is a finding, "unpack/limit".
type Limits struct {
	Depth  int           // containers in containers; 0 means 8
	Files  int           // entries on all levels; 0 means 50,000
	Bytes  int64         // unpacked, on all levels; 0 means 16 GiB
	Ratio  int64         // unpacked bytes for each byte of the artifact, 384 MiB being always allowed; 0 means 40
	Time   time.Duration // for everything inside; 0 means 2 minutes
	Memory int64         // bytes of inner files that are kept in memory at once, the rest being in files; 0 means 48 MiB
	Dir    string        // of those files, which have no name; "" means the system's for temporary files
}

// alwaysUnpacked is what may be unpacked from however small an artifact, in bytes.
const alwaysUnpacked = 384 << 20

func (l Limits) withDefaults(size int64) Limits {
	l.Depth = orDefault(l.Depth, 8)
	l.Files = orDefault(l.Files, 50_000)
	l.Bytes = orDefault(l.Bytes, 16<<30)
	l.Ratio = orDefault(l.Ratio, 40)
	l.Time = orDefault(l.Time, 2*time.Minute)
	l.Memory = orDefault(l.Memory, 48<<20)
	if most := max(alwaysUnpacked, size*l.Ratio); size < l.Bytes/l.Ratio+1 && most < l.Bytes {
		l.Bytes = most
	}
	return l
}

func orDefault[T int | int64 | time.Duration](n, otherwise T) T {
	if n <= 0 {
		return otherwise
	}
	return n
}

// limitError ends a walk because of a limit.
type limitError struct{ what string }

// Error implements error.
func (e *limitError) Error() string { return e.what }

func tooMuch(format string, args ...any) error { return &limitError{fmt.Sprintf(format, args...)} }
