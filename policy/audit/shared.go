package audit

import (
	"encoding/json"
	"strconv"
	"time"
	"unsafe"
)

// shared remembers what was decoded, by its JSON, so that what is said again and again is decoded and held once. What it returns is
// not to be changed. It is for one goroutine.
type shared[T any] struct {
	by   map[string]*T
	size int
}

// Bounds of what is remembered of each type, in bytes.
const (
	maxShared    = 4 << 20
	maxSharedOne = 64 << 10
)

// of decodes JSON; nil if that fails, or if whole, where it is not nil, refuses what comes of it.
func (s *shared[T]) of(raw []byte, whole func(*T) bool) *T {
	if v, known := s.by[string(raw)]; known {
		return v
	}
	v := new(T)
	if json.Unmarshal(raw, v) != nil || whole != nil && !whole(v) {
		return nil
	}
	if len(raw) > maxSharedOne {
		return v
	}
	size := len(raw) + int(unsafe.Sizeof(*v))
	if s.by == nil || s.size+size > maxShared {
		s.by, s.size = map[string]*T{}, 0
	}
	s.by[string(raw)] = v
	s.size += size
	return v
}

// take decodes the object that begins at a place.
func (s *shared[T]) take(line []byte, at int) (v *T, end int) {
	if end = valueEnd(line, at); end < 0 || line[at] != '{' {
		return nil, -1
	}
	if v = s.of(line[at:end], nil); v == nil {
		return nil, -1
	}
	return v, end
}

// partial is shared for objects of which some members differ too often, or are not read.
type partial[T any] struct {
	shared[T]
	names  []string
	whole  func(*T) bool // whether those members are not set, which they could be under another spelling
	buffer []byte
}

// take decodes the object that begins at a place into v, without the members for which it calls take; see cut.
func (p *partial[T]) take(line []byte, at int, v *T, take func(i, at int) int) (end int) {
	p.buffer, end = cut(p.buffer[:0], line, at, p.names, take)
	if end < 0 {
		return -1
	}
	same := p.of(p.buffer, p.whole)
	if same == nil {
		return -1
	}
	*v = *same
	return end
}

// text decodes the string that begins at a place.
func text(line []byte, at int) (s string, end int) {
	if end = textEnd(line, at); end < 0 {
		return "", -1
	}
	if inside := line[at+1 : end-1]; plain(inside) {
		return string(inside), end
	}
	if json.Unmarshal(line[at:end], &s) != nil {
		return "", -1
	}
	return s, end
}

// texts remembers strings that come again and again.
type texts struct {
	by   map[string]string
	size int
}

// take is text.
func (t *texts) take(line []byte, at int) (s string, end int) {
	if end = textEnd(line, at); end < 0 {
		return "", -1
	}
	if s, known := t.by[string(line[at:end])]; known {
		return s, end
	}
	if s, end = text(line, at); end < 0 {
		return "", -1
	}
	if t.by == nil || t.size+end-at > maxShared {
		t.by, t.size = map[string]string{}, 0
	}
	t.by[string(line[at:end])] = s
	t.size += end - at
	return s, end
}

// plain reports whether bytes between quotes stand for themselves.
func plain(text []byte) bool {
	for _, b := range text {
		if b < ' ' || b > '~' || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}

// moment decodes the time that begins at a place.
func moment(line []byte, at int) (t time.Time, end int) {
	if end = textEnd(line, at); end < 0 || t.UnmarshalJSON(line[at:end]) != nil {
		return t, -1
	}
	return t, end
}

// whole decodes the whole number that begins at a place.
func whole(line []byte, at int) (n int64, end int) {
	if end = valueEnd(line, at); end <= at || line[at] == '0' && end > at+1 {
		return 0, -1
	}
	for _, digit := range line[at:end] {
		if digit < '0' || digit > '9' {
			return 0, -1
		}
	}
	n, err := strconv.ParseInt(string(line[at:end]), 10, 64)
	if err != nil {
		return 0, -1
	}
	return n, end
}
