package unpack

import (
	"encoding/binary"
	"testing"

	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// As many folders and files as a cabinet can have cost no more than their own number.
func TestCABOfManyFoldersAndFiles(t *testing.T) {
	var c cabtest.Cabinet
	for range 65000 {
		c.Folders = append(c.Folders, cabtest.Folder{Method: cabtest.Stored, Files: []cabtest.File{{Name: "a", Data: []byte{1}}}})
	}
	b := cabtest.Build(c)
	for i := range c.Folders { // LZX in the largest window: the blocks are broken
		binary.LittleEndian.PutUint16(b[36+8*i+6:], 3|21<<8)
	}
	if s, found := openWith(t, NewCAB(), b); len(s.order) != 65000 || len(found) > 0 {
		t.Errorf("%d files, findings %v", len(s.order), found)
	}
}
