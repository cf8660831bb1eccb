package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

func openMemory(t *testing.T, dir string) *Memory {
	t.Helper()
	m, err := NewMemory(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMemorySurvivesRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "memory")
	m := openMemory(t, dir)
	if v, err := m.Load("debian", "suite/bookworm"); v != nil || err != nil {
		t.Fatalf("empty memory holds %q, %v", v, err)
	}
	for i, step := range []struct {
		old, new []byte
	}{{nil, []byte("1")}, {[]byte("1"), []byte("two\nlines")}, {[]byte("two\nlines"), []byte{}}, {[]byte{}, []byte("4")}} {
		if err := m.Advance("debian", "suite/bookworm", step.old, step.new); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		m = openMemory(t, dir)
		v, err := m.Load("debian", "suite/bookworm")
		if err != nil || v == nil || string(v) != string(step.new) {
			t.Fatalf("step %d: read back %q, %v", i, v, err)
		}
	}
}

func TestMemoryKeepsPairsApart(t *testing.T) {
	m := openMemory(t, t.TempDir())
	pairs := [][2]string{{"a", "bc"}, {"ab", "c"}, {"", "abc"}, {"abc", ""}, {"../../etc", "passwd"}, {"a\x00b", "c"}}
	for i, p := range pairs {
		if err := m.Advance(p[0], p[1], nil, []byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range pairs {
		if v, err := m.Load(p[0], p[1]); err != nil || string(v) != strconv.Itoa(i) {
			t.Errorf("%q: %q, %v", p, v, err)
		}
	}
}

func TestMemoryRefusesAStaleAdvance(t *testing.T) {
	m := openMemory(t, t.TempDir())
	if err := m.Advance("a", "k", []byte("x"), []byte("1")); !errors.Is(err, verify.ErrConflict) {
		t.Errorf("advance from a value that never was: %v", err)
	}
	if err := m.Advance("a", "k", nil, []byte("1")); err != nil {
		t.Fatal(err)
	}
	for _, old := range [][]byte{nil, {}, []byte("0")} {
		if err := m.Advance("a", "k", old, []byte("2")); !errors.Is(err, verify.ErrConflict) {
			t.Errorf("advance from %q: %v", old, err)
		}
	}
	if v, _ := m.Load("a", "k"); string(v) != "1" {
		t.Errorf("a refused advance left %q", v)
	}
}

func TestMemoryOnlyOneConcurrentAdvanceWins(t *testing.T) {
	m := openMemory(t, t.TempDir())
	var wg sync.WaitGroup
	won := make(chan int, 32)
	for i := range 32 {
		wg.Go(func() {
			switch err := m.Advance("a", "k", nil, []byte(fmt.Sprint(i))); {
			case err == nil:
				won <- i
			case !errors.Is(err, verify.ErrConflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(won)
	winner, more := <-won, len(won)
	if v, err := m.Load("a", "k"); more != 0 || err != nil || string(v) != fmt.Sprint(winner) {
		t.Errorf("%d winners too many, value %q, winner %d, %v", more, v, winner, err)
	}
}

func TestMemoryDamageIsAnErrorNotForgetting(t *testing.T) {
	for name, damage := range map[string]func(data []byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"cut":       func(d []byte) []byte { return d[:len(d)-1] },
		"flipped":   func(d []byte) []byte { d[len(d)-1] ^= 1; return d },
		"no head":   func(d []byte) []byte { return d[len(d)-5:] },
		"other key": func(d []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			m := openMemory(t, t.TempDir())
			if err := m.Advance("a", "k", nil, []byte("value")); err != nil {
				t.Fatal(err)
			}
			path := m.path("a", "k")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if name == "other key" {
				if err := m.Advance("a", "other", nil, []byte("value")); err != nil {
					t.Fatal(err)
				}
				if data, err = os.ReadFile(m.path("a", "other")); err != nil {
					t.Fatal(err)
				}
			} else {
				data = damage(data)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if v, err := m.Load("a", "k"); err == nil {
				t.Errorf("damaged memory was read as %q", v)
			}
			if err := m.Advance("a", "k", nil, []byte("new")); err == nil || errors.Is(err, verify.ErrConflict) {
				t.Errorf("damaged memory was overwritten: %v", err)
			}
		})
	}
}

func TestMemoryBoundsValues(t *testing.T) {
	m := openMemory(t, t.TempDir())
	if err := m.Advance("a", "k", nil, make([]byte, MaxMemory+1)); err == nil {
		t.Error("a value over the limit was kept")
	}
	if err := m.Advance("a", "k", nil, make([]byte, MaxMemory)); err != nil {
		t.Error(err)
	}
	if v, err := m.Load("a", "k"); err != nil || len(v) != MaxMemory {
		t.Errorf("%d bytes, %v", len(v), err)
	}
}

// Whoever reads a big value while another is being written gets one of them, whole, and does not wait for it; nor does
// whoever writes another value.
func TestMemoryOfBigValues(t *testing.T) {
	m := openMemory(t, t.TempDir())
	value := func(i byte) []byte { return bytes.Repeat([]byte{i}, 8<<20) }
	if err := m.Advance("a", "big", nil, value(0)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v, err := m.Load("a", "big")
				if err != nil || len(v) != 8<<20 || bytes.Count(v, v[:1]) != len(v) {
					t.Errorf("%d bytes, %v", len(v), err)
					return
				}
			}
		})
	}
	for i := range byte(5) {
		if err := m.Advance("a", "big", value(i), value(i+1)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

// A writer of one value, however long it takes, keeps nobody from reading it, nor from writing others.
func TestMemoryWritersKeepNobodyWaiting(t *testing.T) {
	m := openMemory(t, t.TempDir())
	if err := m.Advance("a", "slow", nil, []byte("1")); err != nil {
		t.Fatal(err)
	}
	slow := m.writer(m.path("a", "slow"))
	slow.Lock()
	defer slow.Unlock()
	if v, err := m.Load("a", "slow"); err != nil || string(v) != "1" {
		t.Errorf("%q, %v", v, err)
	}
	for i := range 100 {
		key := fmt.Sprint(i)
		if m.writer(m.path("a", key)) == slow {
			continue
		}
		if err := m.Advance("a", key, nil, []byte("2")); err != nil {
			t.Error(err)
		}
		return
	}
	t.Error("all values share one lock")
}

// Keys come from URLs and names that strangers choose: what was written under one is read again, whatever its bytes.
func TestMemoryTakesEveryKey(t *testing.T) {
	m, err := NewMemory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"a\xffb", "a\xfeb", "a\uFFFDb", "a\xff\xffb", "\xed\xa0\x80", "<&>\u2028\x00\n", ""}
	for i, key := range keys {
		if err := m.Advance("x\xff", key, nil, []byte{byte(i)}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	for i, key := range keys {
		if got, err := m.Load("x\xff", key); err != nil || string(got) != string([]byte{byte(i)}) {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
}
