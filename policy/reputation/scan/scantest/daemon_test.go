//go:build unix

package scantest

import (
	"net"
	"testing"
)

// A daemon whose address somebody else has taken meanwhile gets another.
func TestAnAddressThatIsTaken(t *testing.T) {
	d := ICAP(t, Clamd(t))
	d.Stop()
	l, err := net.Listen("tcp", d.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d.Start()
	if d.Address() == l.Addr().String() {
		t.Errorf("it listens at %s, as somebody else does", d.Address())
	}
}
