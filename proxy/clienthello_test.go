package proxy

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestClientHello(t *testing.T) {
	hello := helloFor(t, "a.example")
	for name, r := range map[string]io.Reader{
		"at once":           bytes.NewReader(hello),
		"in single bytes":   iotest.OneByteReader(bytes.NewReader(hello)),
		"in many records":   bytes.NewReader(refragment(hello, 7)),
		"with bytes behind": io.MultiReader(bytes.NewReader(hello), bytes.NewReader(make([]byte, 100))),
	} {
		got, seen, err := readClientHello(r)
		if err != nil || got.name != "a.example" {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		rest, _ := io.ReadAll(r)
		if all := append(seen, rest...); !bytes.HasPrefix(all, hello[:5]) && name != "in many records" {
			t.Errorf("%s: bytes were lost", name)
		}
	}
}

// refragment puts a handshake message into records of n bytes each.
func refragment(record []byte, n int) []byte {
	var out []byte
	for body := record[5:]; len(body) > 0; {
		m := min(n, len(body))
		out = append(out, record[0], record[1], record[2], 0, byte(m))
		out = append(out, body[:m]...)
		body = body[m:]
	}
	return out
}

func TestClientHelloThatIsNone(t *testing.T) {
	hello := helloFor(t, "a.example")
	endless := append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 1<<14)...)
	copy(endless[5:], []byte{1, 0xff, 0xff, 0xff})
	for name, b := range map[string][]byte{
		"nothing":       nil,
		"cut short":     hello[:len(hello)-1],
		"endless":       bytes.Repeat(endless, 10),
		"not the first": append([]byte{22, 3, 1, 0, 4, 2, 0, 0, 0}, hello...),
		"rubbish":       append([]byte{22, 3, 1, 0, 100, 1, 0, 0, 96}, make([]byte, 96)...),
		"name with dot": bytes.Replace(hello, []byte("a.example"), []byte("a.exampl."), 1),
	} {
		_, seen, err := readClientHello(bytes.NewReader(b))
		if !errors.Is(err, errNoHello) {
			t.Errorf("%s: %v", name, err)
		}
		if len(seen) > maxHello {
			t.Errorf("%s: %d bytes were read", name, len(seen))
		}
	}
}

func FuzzClientHello(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0})
	f.Add(helloFor(&testing.T{}, "a.example"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, seen, _ := readClientHello(bytes.NewReader(b))
		if !bytes.HasPrefix(b, seen) || len(seen) > maxHello {
			t.Errorf("%d bytes were read of %d", len(seen), len(b))
		}
	})
}
