package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// pgpRegions: chapter openpgp. Of a detached signature the armour is not covered, and of its packet the unhashed
// subpackets, the hint of the hash and the bit lengths of numbers.
func pgpRegions(data []byte) []region {
	if len(data) > 0 && data[0]&0x80 != 0 {
		return packetRegions(data)
	}
	var text []byte
	var at []int
	out := []region{}
	body, offset := 0, 0 // body: 0 before the empty line, 1 in it, 2 after it
	for line := range bytes.Lines(data) {
		trimmed := bytes.TrimRight(line, "\r\n \t")
		switch {
		case body == 1 && len(trimmed) > 0 && trimmed[0] != '=' && trimmed[0] != '-':
			for i, c := range trimmed {
				text, at = append(text, c), append(at, offset+i)
			}
			out = append(out, region{offset + len(trimmed), offset + len(line), "OpenPGP: line ends of the armour", false})
		default:
			if body == 1 && len(trimmed) > 0 {
				body = 2
			}
			out = append(out, region{offset, offset + len(line), "OpenPGP: lines of the armour around its body", false})
			if body == 0 && len(trimmed) == 0 {
				body = 1
			}
		}
		offset += len(line)
	}
	packet, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return out
	}
	var where []extent
	for i, o := range at {
		for _, b := range []int{i * 6 / 8, (i*6 + 5) / 8} {
			if b < len(packet) {
				where = append(where, extent{b, o, 1})
			}
		}
	}
	return append(out, place(packetRegions(packet), where)...)
}

// packetRegions are the free parts of a signature packet of version 3 or 4 (RFC 9580 section 5.2).
func packetRegions(p []byte) []region {
	body, ok := packetBody(p)
	if !ok || len(p) < body+20 {
		return nil
	}
	const why = "OpenPGP: unhashed subpackets, the hint of the hash, bit lengths"
	switch p[body] {
	case 3: // version, length 5, type, time, key id, algorithms, hint
		hint := body + 17
		return append([]region{{body + 7, body + 15, why, true}, {hint, hint + 2, why, false}}, region{hint + 2, hint + 4, why, false})
	case 4:
		unhashed := body + 6 + int(binary.BigEndian.Uint16(p[body+4:]))
		if unhashed+2 > len(p) {
			return nil
		}
		hint := unhashed + 2 + int(binary.BigEndian.Uint16(p[unhashed:]))
		if hint+4 > len(p) {
			return nil
		}
		out := []region{{unhashed, hint + 2, why, false}, {hint + 2, hint + 4, why, false}}
		second := hint + 4 + (int(binary.BigEndian.Uint16(p[hint+2:]))+7)/8
		if second+2 <= len(p) {
			out = append(out, region{second, second + 2, why, false})
		}
		return out
	}
	return nil
}

// packetBody returns where the body of a packet begins (RFC 9580 section 4.2).
func packetBody(p []byte) (int, bool) {
	switch {
	case len(p) < 6 || p[0]&0x80 == 0:
		return 0, false
	case p[0]&0x40 == 0:
		return map[byte]int{0: 2, 1: 3, 2: 5}[p[0]&3], p[0]&3 != 3
	case p[1] < 192:
		return 2, true
	case p[1] < 224:
		return 3, true
	case p[1] == 255:
		return 6, true
	}
	return 0, false
}
