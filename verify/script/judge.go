package script

import (
	"crypto"
	"crypto/hmac"
	"encoding/binary"
	"hash"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
)

// judge says what there is to say about a script's signature block and what stands around it. b is the file.
func judge(s *style, t text, k *block, b []byte, env verify.Env) []verify.Finding {
	x := authenticode.New(method, "script", env)
	var signed []authenticode.Signed
	x.Collect(k.der, "signature", func(d *cms.SignedData) (authenticode.Signed, error) {
		of, err := s.bind(d)
		if err == nil {
			signed = append(signed, of)
		}
		return of, err
	})
	sums := map[crypto.Hash][]byte{}
	for _, h := range x.Hashes() {
		sums[h] = s.digest(t.units, k, h)
	}
	x.Judge(sums)
	fits := true
	for _, of := range signed {
		fits = fits && hmac.Equal(sums[of.Hash], of.Sum)
	}
	s.around(x, t, k)
	switch {
	case fits && len(signed) > 0:
		s.reading(x, t, b)
	case t.encoding == encodingANSI || t.encoding == encodingBareUTF8:
		s.otherReading(x, t, signed, b)
	}
	return x.Findings()
}

// digest hashes the text without the block, as UTF-16LE. The Windows Script Host leaves the byte order mark out and
// adds where the block stood, so that it cannot be moved.
func (s *style) digest(units []uint16, k *block, f crypto.Hash) []byte {
	h := f.New()
	from := 0
	if s.host && len(units) > 0 && units[0] == mark {
		from = 1
	}
	from = min(from, k.from)
	writeUnits(h, units[from:k.from])
	if s.inner {
		writeUnits(h, units[k.to:])
	}
	if s.host {
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(k.from-from)))
	}
	return h.Sum(nil)
}

func writeUnits(h hash.Hash, units []uint16) {
	var buf [4096]byte
	for len(units) > 0 {
		n := min(len(units), len(buf)/2)
		for i, u := range units[:n] {
			binary.LittleEndian.PutUint16(buf[2*i:], u)
		}
		h.Write(buf[:2*n])
		units = units[n:]
	}
}

// around reports what stands after the block, and line ends within it by which Windows would not find it.
func (s *style) around(x *authenticode.Examination, t text, k *block) {
	if rest := t.units[k.to:]; len(rest) > 0 && !s.inner {
		var b []byte
		for _, u := range rest {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		x.Remark(verify.Invalid, "trailing-data", "%d characters follow the signature block, from character %d on; no signature covers them, and they run; they are %s.",
			len(rest), k.to, texture(rest, b))
	}
	if k.loose {
		x.Remark(verify.Invalid, "malformed", "Lines of the signature block end otherwise than with CR LF; Windows does not find it, or not where it is.")
	}
}

// texture describes text that may be ASCII in 16-bit units.
func texture(units []uint16, b []byte) string {
	plain := make([]byte, 0, len(units))
	for _, u := range units {
		if u > 0x7e {
			return authenticode.Texture(b)
		}
		if u != '\r' && u != '\n' && u != '\t' {
			plain = append(plain, byte(u))
		}
	}
	return authenticode.Texture(plain)
}

// reading says where the versions of PowerShell disagree about what a script's bytes mean.
func (s *style) reading(x *authenticode.Examination, t text, b []byte) {
	if s.host || s.closer != "" {
		return
	}
	if n := ambiguous(b, t.encoding); n > 0 {
		x.Remark(verify.Untrusted, "encoding", "The script has no byte order mark, and Windows PowerShell and PowerShell 7 read it differently in %d places that are quotes, dashes or spaces to one of them: what runs may not be what was signed.", n)
	}
}

// otherReading says so where the bytes would fit the signature if they were read in another encoding than Windows does.
func (s *style) otherReading(x *authenticode.Examination, t text, signed []authenticode.Signed, b []byte) {
	other := encodingBareUTF8
	if t.encoding == encodingBareUTF8 {
		other = encodingANSI
	}
	o, err := decodeAs(b, other)
	if err != nil {
		return
	}
	k, err := s.find(o.units)
	if err != nil || k == nil {
		return
	}
	for _, of := range signed {
		if of.Hash != 0 && hmac.Equal(s.digest(o.units, k, of.Hash), of.Sum) {
			x.Remark(verify.Invalid, "encoding", "The text was signed as it reads in %s, but without a byte order mark Windows reads it in %s: what runs is not what was signed.",
				other, t.encoding)
			return
		}
	}
}

// String names the encoding for people.
func (e encoding) String() string {
	switch e {
	case encodingUTF16:
		return "UTF-16"
	case encodingUTF8, encodingBareUTF8:
		return "UTF-8"
	case encodingANSI:
		return "Windows-1252"
	}
	return "ASCII"
}
