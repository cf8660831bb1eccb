package apt

import (
	"bytes"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// TestDictionaryOfXZIsBounded guards against a header of a few bytes that asks for gigabytes of memory.
func TestDictionaryOfXZIsBounded(t *testing.T) {
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("Filename: a\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	if _, err := readIndex(raw, "Packages.xz", nil); err != nil {
		t.Fatal(err)
	}
	// The block header follows the stream header of 12 bytes: size, flags, filter 0x21, 1, dictionary size, ..., CRC-32.
	block := raw[12 : 12+4*(int(raw[12])+1)]
	at := bytes.Index(block, []byte{0x21, 1}) + 2
	block[at] = 38 // 2 GiB
	sum := crc32.ChecksumIEEE(block[:len(block)-4])
	for i := range 4 {
		block[len(block)-4+i] = byte(sum >> (8 * i))
	}
	_, err = readIndex(raw, "Packages.xz", nil)
	if err == nil || !strings.Contains(err.Error(), "dictionary") {
		t.Errorf("error = %v, want one about the dictionary", err)
	}
}
