package scan

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
	"unicode"
)

// drained is what a command has printed: the beginning is kept, from the first character on that is no space.
type drained struct {
	kept []byte
	n    int64
	over bool
}

// pipes connect a command with us. They are ours, and not those of package exec, so that nothing that the command leaves behind can
// keep us waiting.
type pipes struct {
	stdout, stderr *os.File // our ends
	theirs         []*os.File
	stdinRead      *os.File // also the command's; kept to see what it has not read
	stdinWrite     *os.File

	reading, writing sync.WaitGroup
	wrote            bool // the whole input
}

func (r *run) connect(cmd *exec.Cmd) (_ *pipes, err error) {
	p := &pipes{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	pair := func() (in, out *os.File) {
		if err == nil {
			in, out, err = os.Pipe()
		}
		return in, out
	}
	var out, errs *os.File
	p.stdout, out = pair()
	p.stderr, errs = pair()
	if r.input != nil {
		p.stdinRead, p.stdinWrite = pair()
	}
	p.theirs = []*os.File{out, errs}
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, errs
	if r.input != nil {
		cmd.Stdin = p.stdinRead
	}
	return p, nil
}

// started begins to read what the command prints and to write what it is given.
func (p *pipes) started(r *run, kill func()) {
	for _, f := range p.theirs {
		f.Close()
	}
	p.theirs = nil
	p.reading.Go(func() { r.output.drain(p.stdout, kill) })
	p.reading.Go(func() { r.errors.drain(p.stderr, kill) })
	if r.input != nil {
		p.writing.Go(func() {
			_, err := io.Copy(struct{ io.Writer }{p.stdinWrite}, r.input)
			p.wrote = err == nil
			p.stdinWrite.Close()
		})
	}
}

// drain reads to the end, keeps the beginning, and has the command killed that does not come to an end.
func (d *drained) drain(from io.Reader, kill func()) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		d.n += int64(n)
		part := buf[:n]
		if len(d.kept) == 0 {
			part = bytes.TrimLeftFunc(part, unicode.IsSpace)
		}
		d.kept = append(d.kept, part[:min(len(part), keptOutput-len(d.kept))]...)
		if d.n > maxOutput && !d.over {
			d.over = true
			kill()
		}
		if err != nil {
			return
		}
	}
}

// finish waits until everything was read that a command had printed when it ended, and reports whether it left any of its input
// unread.
func (p *pipes) finish(r *run) (unread bool) {
	end := time.Now().Add(leftTime)
	p.stdout.SetReadDeadline(end)
	p.stderr.SetReadDeadline(end)
	p.reading.Wait()
	r.left = !time.Now().Before(end)
	if r.input == nil {
		return false
	}
	p.stdinRead.SetReadDeadline(end)
	n, _ := p.stdinRead.Read(make([]byte, 1)) // waits for the end, which comes once all was written
	p.stdinRead.Close()                       // whatever is still being written fails
	p.writing.Wait()
	return n > 0 || !p.wrote
}

func (p *pipes) close() {
	for _, f := range append(p.theirs, p.stdout, p.stderr, p.stdinRead, p.stdinWrite) {
		if f != nil {
			f.Close()
		}
	}
	p.reading.Wait()
	p.writing.Wait()
}
