package cabtest

import (
	"bytes"
	"compress/flate"
)

// data writes the CFDATA of a folder.
func (c Cabinet) data(f Folder) []byte {
	var out []byte
	content := f.content()
	pack := f.packer(content)
	for at := 0; at < len(content); at += blockUnpacked {
		part := content[at:min(at+blockUnpacked, len(content))]
		packed := pack(part)
		sizes := le.AppendUint16(le.AppendUint16(nil, uint16(len(packed))), uint16(len(part)))
		var sum uint32
		if !c.NoChecksums {
			sum = Checksum(append(bytes.Clone(sizes), c.BlockReserve...), Checksum(packed, 0))
		}
		out = le.AppendUint32(out, sum)
		out = append(out, sizes...)
		out = append(out, c.BlockReserve...)
		out = append(out, packed...)
	}
	return out
}

// Checksum continues the checksum of a CFDATA ([MS-CAB] 3.1).
func Checksum(b []byte, seed uint32) uint32 {
	whole := len(b) / 4 * 4
	for i := 0; i < whole; i += 4 {
		seed ^= le.Uint32(b[i:])
	}
	shift := 8 * (len(b) - whole)
	for _, c := range b[whole:] {
		shift -= 8
		seed ^= uint32(c) << shift
	}
	return seed
}

// packer returns what packs the blocks of content in order.
func (f Folder) packer(content []byte) func([]byte) []byte {
	switch f.Method {
	case MSZIP:
		var before []byte
		return func(part []byte) []byte {
			packed := deflate(part, before)
			before = part
			return packed
		}
	case LZX:
		return newLZX(f, len(content)).frame
	}
	return func(part []byte) []byte { return part }
}

// deflate packs one MSZIP block ([MS-MCI]) with the block before it as its history.
func deflate(part, before []byte) []byte {
	packed := bytes.NewBufferString("CK")
	w, err := flate.NewWriterDict(packed, flate.DefaultCompression, before)
	check(err)
	_, err = w.Write(part)
	check(err)
	check(w.Close())
	if packed.Len() > blockUnpacked+12 {
		return stored(part)
	}
	return packed.Bytes()
}

// stored is an MSZIP block without compression, for what cannot be compressed.
func stored(part []byte) []byte {
	n := uint16(len(part))
	out := append([]byte("CK"), 1)
	out = le.AppendUint16(out, n)
	out = le.AppendUint16(out, ^n)
	return append(out, part...)
}

func check(err error) {
	if err != nil {
		panic("cabtest: " + err.Error())
	}
}
