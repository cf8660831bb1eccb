package audit

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"
)

// idDigits are Crockford's 32: no I, L, O and U, so that an id can be read out on the telephone.
const idDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// idLength is 48 bits of milliseconds since 1970 and 80 random ones, five a digit (the layout of a ULID).
const idLength = 26

// ids makes record ids that sort in the order they were made, also when the clock jumps back.
type ids struct {
	hi, lo uint64 // the last one: 48 bits of time and 16 random ones, 64 random ones
}

// next returns a new id. It is not safe for concurrent use.
func (g *ids) next(now time.Time) string {
	ms := uint64(max(now.UnixMilli(), 0)) & (1<<48 - 1)
	if ms > g.hi>>16 {
		var b [10]byte
		rand.Read(b[:])
		g.hi = ms<<16 | uint64(binary.BigEndian.Uint16(b[:2]))
		// The top bit stays clear to leave room for counting up.
		g.lo = binary.BigEndian.Uint64(b[2:]) &^ (1 << 63)
	} else {
		var b [4]byte
		rand.Read(b[:])
		old := g.lo
		g.lo += 1 + uint64(binary.BigEndian.Uint32(b[:]))
		if g.lo < old {
			g.hi++
		}
	}
	return encodeID(g.hi, g.lo)
}

// after makes every further id sort behind this one, if it is one of ours.
func (g *ids) after(id string) {
	hi, lo, ok := decodeID(id)
	if ok && (hi > g.hi || hi == g.hi && lo > g.lo) {
		g.hi, g.lo = hi, lo
	}
}

func encodeID(hi, lo uint64) string {
	var b [idLength]byte
	for i := idLength - 1; i >= 0; i-- {
		b[i] = idDigits[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(b[:])
}

func decodeID(id string) (hi, lo uint64, ok bool) {
	if len(id) != idLength || id[0] > '7' {
		return 0, 0, false
	}
	for i := range len(id) {
		d := strings.IndexByte(idDigits, id[i])
		if d < 0 {
			return 0, 0, false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(d)
	}
	return hi, lo, true
}

// normalID reads an id as a person may have typed it: in lower case, with hyphens, with I or L for 1 and O for 0.
// What is no id of ours is returned as it is.
func normalID(typed string) string {
	id := strings.NewReplacer("-", "", " ", "", "I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(typed))
	if _, _, ok := decodeID(id); ok {
		return id
	}
	return typed
}

// validID says whether a caller may give a record this id.
func validID(id string) bool {
	return len(id) > 0 && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '.')
	})
}
