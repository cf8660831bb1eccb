package cab

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/internal/cms"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// world is a small public-key infrastructure and the moment in which it is looked at.
type world struct {
	root             *at.CA
	vendor, stranger *at.Signer
	tsa              *at.Signer
	env              verify.Env
}

func newWorld() *world {
	w := &world{root: at.NewCA("Test Code Root")}
	stamp := at.NewCA("Test Stamp Root")
	w.vendor = w.root.Intermediate("Test Issuing CA", x509.ExtKeyUsageCodeSigning).Issue(at.Leaf{Organization: "3CX Ltd", RSA: true})
	w.stranger = at.NewCA("Other Root").Issue(at.Leaf{Organization: "3CX Ltd"})
	w.tsa = stamp.TSA("Test TSA")
	w.env = verify.Env{At: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), Trust: verify.Trust{
		CodeSigning: []*x509.Certificate{w.root.Certificate}, Timestamping: []*x509.Certificate{stamp.Certificate}}}
	return w
}

func want(list ...string) []verifytest.Want {
	statuses := map[string]verify.Status{"valid": verify.Valid, "invalid": verify.Invalid, "untrusted": verify.Untrusted, "absent": verify.Absent}
	var out []verifytest.Want
	for _, item := range list {
		status, code, _ := strings.Cut(item, ":")
		out = append(out, verifytest.Want{Status: statuses[status], Code: "authenticode/" + code})
	}
	return out
}

// unsigned is a cabinet with room for a signature.
func unsigned(change ...func(*cabtest.Cabinet)) []byte {
	text := []byte(strings.Repeat("some text, ", 200))
	c := cabtest.Cabinet{Reserve: cabtest.Reserve(), Folders: []cabtest.Folder{
		{Method: cabtest.MSZIP, Files: []cabtest.File{{Name: `dir\a.txt`, Data: text}, {Name: "b.txt", Data: text[:100]}}},
		{Files: []cabtest.File{{Name: "c.txt", Data: text}}},
	}}
	for _, f := range change {
		f(&c)
	}
	return cabtest.Build(c)
}

func TestGoodSignatures(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	expired := w.root.Issue(at.Leaf{Organization: "3CX Ltd", NotAfter: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	year := &at.Timestamp{Authority: w.tsa, Time: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)}
	set := func(c *cabtest.Cabinet) {
		c.Index, c.Prev, c.Next = 1, [2]string{"a.cab", "one"}, [2]string{"c.cab", "three"}
	}
	inSet := []verifytest.Range{{From: 34, To: 36, Why: "the number of a cabinet in its set is left out of the digest"}}
	for name, c := range map[string]struct {
		data      []byte
		want      []verifytest.Want
		uncovered []verifytest.Range
	}{
		"RSA, without timestamp": {cabtest.Sign(unsigned(), at.Signature{Signer: w.vendor}), want("valid:valid"), nil},
		"SHA-384 and timestamp":  {cabtest.Sign(unsigned(), at.Signature{Signer: expired, Hash: crypto.SHA384, Timestamp: year}), want("valid:valid"), nil},
		"nested":                 {cabtest.Sign(unsigned(), at.Signature{Signer: w.vendor, Nested: []at.Signature{{Signer: w.vendor, Hash: crypto.SHA384}}}), want("valid:valid", "valid:valid"), nil},
		"in a set":               {cabtest.Sign(unsigned(set), at.Signature{Signer: w.vendor}), want("valid:valid"), inSet},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Env: w.env, Want: c.want, Uncovered: c.uncovered, Flips: 1000})
	}
}

func TestNothingHidesAroundTheSignature(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // so that the same bits are flipped in the same bytes every time
	w := newWorld()
	base := unsigned()
	signed := cabtest.Sign(base, at.Signature{Signer: w.vendor})
	der := cabtest.SignedData(base, at.Signature{Signer: w.vendor})
	put := func(offset int, value uint32) []byte {
		b := bytes.Clone(signed)
		binary.LittleEndian.PutUint32(b[offset:], value)
		return b
	}
	between := append(bytes.Clone(base), make([]byte, 100)...)
	extended := cabtest.SignedData(base, at.Signature{Signer: w.vendor, Digest: extendedDigest(between)})
	for name, c := range map[string]struct {
		data []byte
		want []verifytest.Want
	}{
		"unsigned with room for a signature": {base, want("absent:unsigned")},
		"unsigned without reserves":          {unsigned(func(c *cabtest.Cabinet) { c.Reserve = nil }), want("absent:unsigned")},
		"a reserve of another kind":          {unsigned(func(c *cabtest.Cabinet) { c.Reserve = []byte("something else......") }), want("absent:unsigned")},
		"bytes after the signature":          {append(bytes.Clone(signed), 1, 2, 3), want("valid:valid", "invalid:trailing-data")},
		"zero bytes after the signature":     {append(bytes.Clone(signed), make([]byte, 8)...), want("valid:valid", "invalid:trailing-data")},
		"bytes within the signature's size":  {cabtest.WithSignature(base, append(bytes.Clone(der), "hidden"...)), want("valid:valid", "invalid:padding-data")},
		"zeros within the signature's size":  {cabtest.WithSignature(base, append(bytes.Clone(der), make([]byte, 64)...)), want("valid:valid", "invalid:padding-data")},
		"bytes before the signature":         {moved(between, extended, len(between)), want("valid:valid", "valid:unowned-data")},
		"other bytes before the signature":   {moved(between, der, len(between)), want("invalid:digest-mismatch", "valid:unowned-data")},
		"the first reserved field":           {put(4, 1), want("invalid:malformed")},
		"bytes in the reserve":               {put(52, 0x41414141), want("invalid:malformed")},
		"the number in a set":                {put(34, 7|20<<16), want("invalid:malformed")},
		"a reserve of every block":           {put(36, 20|1<<24), want("invalid:malformed")},
		"a reserve of every folder":          {put(36, 20|1<<16), want("invalid:malformed")},
		"signature within the cabinet":       {put(44, 100), want("invalid:malformed")},
		"signature beyond the end":           {put(48, 1<<30), want("invalid:malformed")},
		"signature of no bytes":              {put(48, 0), want("invalid:malformed")},
		"no DER":                             {cabtest.WithSignature(base, []byte("what should be a signature")), want("invalid:malformed")},
		"gap before the table of files":      {gap(w), want("invalid:malformed")},
		"signature of a program":             {cabtest.Sign(base, at.Signature{Signer: w.vendor, Kind: cms.OIDPEImageData}), want("invalid:malformed")},
		"wrong digest":                       {cabtest.Sign(base, at.Signature{Signer: w.vendor, Digest: make([]byte, 32)}), want("invalid:digest-mismatch")},
		"untrusted root":                     {cabtest.Sign(base, at.Signature{Signer: w.stranger}), want("untrusted:untrusted-root")},
		"signature value does not fit":       {cabtest.Sign(base, at.Signature{Signer: w.vendor, Breaks: true}), want("invalid:bad-signature")},
		"cut short":                          {signed[:len(base)-1], want("invalid:malformed")},
		"no cabinet":                         {[]byte("MSDF, or so"), nil},
		"empty":                              {[]byte{}, nil},
	} {
		verifytest.Run(t, New(), verifytest.Case{Name: name, Data: c.data, Env: w.env, Want: c.want, Flips: -1})
	}
}

// moved puts a signature at an offset of its own.
func moved(cabinet, der []byte, offset int) []byte {
	out := append(bytes.Clone(cabinet), der...)
	for (len(out)-offset)%8 != 0 {
		out = append(out, 0)
	}
	binary.LittleEndian.PutUint32(out[44:], uint32(offset))
	binary.LittleEndian.PutUint32(out[48:], uint32(len(out)-offset))
	return out
}

// extendedDigest is the digest of a cabinet with bytes between it and its signature.
func extendedDigest(b []byte) []byte {
	h := crypto.SHA256.New()
	for _, part := range [][]byte{b[:4], b[8:34], b[56:]} {
		h.Write(part)
	}
	return h.Sum(nil)
}

// gap is a rightly signed cabinet in which four bytes lie between its tables.
func gap(w *world) []byte {
	b := unsigned()
	files := binary.LittleEndian.Uint32(b[16:])
	b = append(append(bytes.Clone(b[:files]), "gap!"...), b[files:]...)
	for _, offset := range []int{8, 16, 60, 68} {
		binary.LittleEndian.PutUint32(b[offset:], binary.LittleEndian.Uint32(b[offset:])+4)
	}
	return cabtest.Sign(b, at.Signature{Signer: w.vendor})
}
