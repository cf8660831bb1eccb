package cab

// checksum continues the checksum of CFDATA ([MS-CAB] 3.1): the exclusive or of the 32-bit words, the last one to three
// bytes read the other way round.
func checksum(b []byte, seed uint32) uint32 {
	for ; len(b) >= 4; b = b[4:] {
		seed ^= le.Uint32(b)
	}
	var rest uint32
	for _, c := range b {
		rest = rest<<8 | uint32(c)
	}
	return seed ^ rest
}

// sumFits reports whether a block's checksum is right. Some writers leave the reserve out of it. Zero means that there
// is none.
func sumFits(b block, sizes, reserve, data []byte) bool {
	if b.checksum == 0 {
		return true
	}
	sum := checksum(data, 0)
	return checksum(append(append([]byte{}, sizes...), reserve...), sum) == b.checksum || checksum(sizes, sum) == b.checksum
}
