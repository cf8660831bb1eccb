package main

import (
	"bytes"
	"encoding/base64"
)

// node is one element of DER.
type node struct {
	tag       byte
	at        int // of the element in its stream
	body, end int
}

// children splits what lies between two offsets into elements; nil where it cannot.
func children(der []byte, from, to int) (out []node) {
	for at := from; at < to; {
		if at+2 > to {
			return nil
		}
		n := node{tag: der[at], at: at, body: at + 2}
		length := int(der[at+1])
		if length >= 0x80 {
			count := length & 0x7f
			if count == 0 || count > 4 || at+2+count > to {
				return nil
			}
			length = 0
			for _, b := range der[at+2 : at+2+count] {
				length = length<<8 | int(b)
			}
			n.body += count
		}
		n.end = n.body + length
		if length < 0 || n.end > to {
			return nil
		}
		out = append(out, n)
		at = n.end
	}
	return out
}

func (n node) children(der []byte) []node { return children(der, n.body, n.end) }

// signedData is the identifier of CMS SignedData (RFC 5652 section 5.1), encoded.
var signedData = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}

// cmsRegions: chapter "authenticode: Windows programs (PE)", What is signed: certificates of no path, all of an untrusted
// signature or timestamp, and the clock statement of Microsoft's timestamps.
func cmsRegions(der []byte, where []extent) []region {
	var out []region
	if top := children(der, 0, len(der)); len(top) > 0 {
		walkSignedData(der, top[0], false, &out)
	} else if first := firstElement(der); first.end > 0 {
		walkSignedData(der, first, false, &out)
	}
	return place(out, where)
}

// firstElement reads an element behind which something else follows.
func firstElement(der []byte) node {
	for end := len(der); end > max(0, len(der)-8); end-- {
		if all := children(der, 0, end); len(all) == 1 {
			return all[0]
		}
	}
	return node{}
}

// walkSignedData looks for what is unsigned in a ContentInfo.
func walkSignedData(der []byte, info node, stamp bool, out *[]region) {
	parts := info.children(der)
	if len(parts) != 2 || !bytes.Equal(der[parts[0].at:parts[0].end], signedData) {
		return
	}
	data := parts[1].children(der)
	if len(data) != 1 {
		return
	}
	fields := data[0].children(der)
	for i, f := range fields {
		switch {
		case f.tag == 0xa0 && i > 2: // certificates
			walkCertificates(der, f, stamp, out)
		case f.tag == 0x31 && i == len(fields)-1:
			for _, signer := range f.children(der) {
				all := signer.children(der)
				if n := len(all); n > 0 && all[n-1].tag == 0xa1 {
					walkUnsigned(der, all[n-1], out)
				}
			}
		}
	}
}

func walkCertificates(der []byte, set node, stamp bool, out *[]region) {
	for _, c := range set.children(der) {
		if stamp && (c.tag == 0xa1 || c.tag == 0xa2) {
			*out = append(*out, region{c.body, c.end, "CMS: the clock statement of a timestamp", false})
			continue
		}
		why := "CMS: a certificate of no path, or of a timestamp or signature that is not trusted then"
		*out = append(*out, region{c.at, c.end, why, true})
	}
}

// walkUnsigned looks at timestamps and nested signatures. What is changed in one of them leaves the outer signature
// standing, and shows in the findings.
func walkUnsigned(der []byte, attributes node, out *[]region) {
	for _, a := range attributes.children(der) {
		parts := a.children(der)
		if len(parts) != 2 {
			continue
		}
		for _, value := range parts[1].children(der) {
			stamp := !bytes.Contains(der[parts[0].at:parts[0].end], []byte{0x82, 0x37, 0x02, 0x04, 0x01}) // not a nested signature
			why := "CMS: a nested signature that is not trusted then"
			if stamp {
				why = "CMS: a timestamp that does not count then"
			}
			*out = append(*out, region{value.at, value.end, why, true})
			walkSignedData(der, value, stamp, out)
		}
	}
}

// scriptRegions finds the signature in the block of a script. A character of base64 stands for six bits.
func scriptRegions(data []byte) []region {
	der, at := scriptBlock(data)
	where := make([]extent, 0, len(at))
	for i, offset := range at {
		from, to := i*6/8, (i*6+5)/8 // the bytes that the character is part of
		if from < len(der) {
			where = append(where, extent{from, offset, 1})
			if to != from && to < len(der) {
				where = append(where, extent{to, offset, 1})
			}
		}
	}
	return cmsRegions(der, where)
}

// scriptSignature returns the signature in the block of a script, or nil.
func scriptSignature(data []byte) []byte {
	der, _ := scriptBlock(data)
	return der
}

// scriptBlock returns the signature, and where in the file each character of its base64 lies.
func scriptBlock(data []byte) (der []byte, at []int) {
	var text []byte
	inside, offset := false, 0
	for line := range bytes.Lines(data) {
		switch {
		case bytes.Contains(line, []byte("Begin signature block")):
			inside = true
		case bytes.Contains(line, []byte("End signature block")):
			inside = false
		case inside:
			for i, c := range line {
				if i >= 2 && bytes.IndexByte([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="), c) >= 0 {
					text, at = append(text, c), append(at, offset+i)
				}
			}
		}
		offset += len(line)
	}
	der, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(der) == 0 {
		return nil, nil
	}
	return der, at
}
