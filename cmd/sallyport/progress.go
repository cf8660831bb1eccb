package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows on a terminal how far long work has come; anywhere else it shows nothing. It is used by one goroutine.
type progress struct {
	w     io.Writer // nil: nobody is watching
	what  string
	began time.Time
	last  time.Time
	shown bool
}

// What ends sooner than patience shows no progress; then it is shown again every pace.
const (
	patience = time.Second
	pace     = 200 * time.Millisecond
)

func newProgress(w io.Writer, what string) *progress {
	p := &progress{what: what, began: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.w = w
	}
	return p
}

// update says that done of total bytes are done.
func (p *progress) update(done, total int64) {
	now := time.Now()
	if p.w == nil || now.Sub(p.began) < patience || now.Sub(p.last) < pace {
		return
	}
	p.last, p.shown = now, true
	percent := int64(100)
	if total > 0 {
		percent = min(100, done*100/total)
	}
	fmt.Fprintf(p.w, "\r\x1b[Ksallyport: %s: %d%% of %s", p.what, percent, byteSize(total))
}

// end takes away what was shown.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
