package reputation

import (
	"bufio"
	"container/heap"
	"fmt"
	"io"
)

// run is a sorted sequence of records that is being merged.
type run struct {
	next   record
	source *bufio.Reader // nil: memory
	memory []record
}

// advance reads the next record; false at the end.
func (r *run) advance() (bool, error) {
	if r.source == nil {
		if len(r.memory) == 0 {
			return false, nil
		}
		r.next, r.memory = r.memory[0], r.memory[1:]
		return true, nil
	}
	if _, err := io.ReadFull(r.source, r.next[:]); err == io.EOF {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("building a list: %w", err)
	}
	return true, nil
}

// runHeap has the run with the smallest next record first.
type runHeap []*run

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return compareRecords(h[i].next, h[j].next) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*run)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (b *builder) open() (runHeap, error) {
	var all []*run
	for _, f := range b.runs {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("building a list: %w", err)
		}
		all = append(all, &run{source: bufio.NewReaderSize(f, 1<<15)})
	}
	if len(b.runs) == 0 {
		all = append(all, &run{memory: b.records})
	}
	var h runHeap
	for _, r := range all {
		more, err := r.advance()
		if err != nil {
			return nil, err
		}
		if more {
			h = append(h, r)
		}
	}
	heap.Init(&h)
	return h, nil
}

// merge writes all records in order, one for each thing that is named; packages may be named by several.
func (b *builder) merge(w io.Writer) (n int, err error) {
	h, err := b.open()
	if err != nil {
		return 0, err
	}
	var held *record
	same := 0
	for len(h) > 0 {
		r := h[0].next
		if err := step(&h); err != nil {
			return n, err
		}
		if held != nil && compareNames(held, &r) == 0 {
			if r.kind() != KindPackage {
				held.absorb(&r)
				continue
			}
			if same++; same >= maxPerName {
				return n, refusef("it has more than %d entries for one package", maxPerName)
			}
		} else {
			same = 0
		}
		if n, err = put(w, held, n); err != nil {
			return n, err
		}
		held = &r
	}
	return put(w, held, n)
}

func step(h *runHeap) error {
	more, err := (*h)[0].advance()
	if err != nil {
		return err
	}
	if more {
		heap.Fix(h, 0)
	} else {
		heap.Pop(h)
	}
	return nil
}

func put(w io.Writer, r *record, n int) (int, error) {
	if r == nil {
		return n, nil
	}
	if _, err := w.Write(r[:]); err != nil {
		return n, fmt.Errorf("building a list: %w", err)
	}
	return n + 1, nil
}
