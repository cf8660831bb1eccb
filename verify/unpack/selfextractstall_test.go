package unpack

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
)

// What only begins like an archive, or only ends like one, costs the reading of all its headers: it is not tried for
// ever, and the search then says that it is not complete.
func TestSelfExtractorGivesUp(t *testing.T) {
	le := binary.LittleEndian
	cabinet := make([]byte, 36) // with 65535 folders, none of which is there
	copy(cabinet, "MSCF")
	le.PutUint32(cabinet[8:], 36)
	cabinet[25] = 1
	le.PutUint16(cabinet[26:], 0xffff)
	le.PutUint16(cabinet[28:], 1)
	archive := make([]byte, 32) // without files
	copy(archive, sevenZipMagic)
	le.PutUint32(archive[8:], crc32.ChecksumIEEE(archive[12:]))
	end := make([]byte, 22) // of a zip file whose directory is not there
	copy(end, "PK\x05\x06")
	le.PutUint16(end[8:], 1)
	le.PutUint16(end[10:], 1)
	le.PutUint32(end[12:], 46)
	le.PutUint32(end[16:], 1<<30)
	few := append(bytes.Repeat(cabinet, 10), archive...)
	for name, c := range map[string]struct {
		overlay []byte
		want    []string
	}{
		"a few beginnings":    {few, nil},
		"too many beginnings": {bytes.Repeat(few, 30), []string{"inconclusive:not-looked-into"}},
		"a few ends":          {append(bytes.Clone(archive), bytes.Repeat(end, 10)...), nil},
		"too many ends":       {append(bytes.Clone(archive), bytes.Repeat(end, 20)...), []string{"inconclusive:not-looked-into"}},
	} {
		_, found := openWith(t, NewSelfExtractor(), petest.Build(petest.Program{Overlay: c.overlay}))
		if !slices.Equal(found, c.want) {
			t.Errorf("%s: findings %v, want %v", name, found, c.want)
		}
	}
}
