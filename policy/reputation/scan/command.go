package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// command runs a program for each file. It gets nothing of our environment, an empty folder of its own to run in, and there or on
// its standard input a copy of the file. Whatever it leaves behind in its process group is killed when it ends.
type command struct {
	argv  []string
	exits []int // statuses that mean that something was found; none: what it prints does
	dir   string
	rules ruleFiles
}

const (
	maxOutput   = 1 << 20 // bytes that a command may print before it is killed
	keptOutput  = 16 << 10
	leftTime    = 2 * time.Second // for what it has printed, once it is dead
	privateFile = "file"          // the copy's name, whatever the file is called
)

func newCommand(s policy.Scanner, dir string) *command {
	return &command{argv: s.Command, exits: s.FoundExits, dir: dir}
}

// engine implements client: what is run, by the digests of all files that its arguments name.
func (c *command) engine(context.Context) (string, error) {
	sum, err := c.rules.digest(c.argv)
	if err != nil {
		return "", &downError{err}
	}
	return fmt.Sprintf("%s, sha256 of program and rules %s", filepath.Base(c.argv[0]), sum.String()[:16]), nil
}

// scan implements client.
func (c *command) scan(ctx context.Context, f *file) (name string, err error) {
	dir, err := os.MkdirTemp(c.dir, "scan-*")
	if err != nil {
		return "", down("a folder cannot be made: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &run{argv: slices.Clone(c.argv), dir: dir}
	content := f.read()
	at := slices.IndexFunc(r.argv, func(s string) bool { return strings.Contains(s, policy.FileArgument) })
	if at > 0 {
		path := filepath.Join(dir, privateFile)
		if err := writeCopy(path, content); err != nil {
			return "", err
		}
		r.argv[at] = strings.ReplaceAll(r.argv[at], policy.FileArgument, path)
	} else {
		r.input = content
	}
	if err := r.do(ctx); err != nil {
		return "", err
	}
	name, err = c.verdict(r)
	if err != nil || name != "" {
		return name, err
	}
	switch {
	case content.failed != nil:
		return "", fmt.Errorf("reading the file: %w", content.failed)
	case r.unread:
		return "", errors.New("it ended without having read the whole file")
	}
	return "", content.check()
}

// writeCopy writes the file where only we, and whom we run, can read it.
func writeCopy(path string, content *sent) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return down("the file cannot be copied: %w", err)
	}
	defer out.Close()
	if _, err := io.Copy(out, content); err != nil {
		return fmt.Errorf("copying the file: %w", err)
	}
	if err := content.check(); err != nil {
		return err
	}
	return out.Close()
}

// verdict is what a command that has ended says of a file. What it has found counts however it ended.
func (c *command) verdict(r *run) (string, error) {
	lines := strings.FieldsFunc(string(r.output.kept), func(r rune) bool { return r == '\n' || r == '\r' })
	first := ""
	if len(lines) > 0 {
		first = lines[0]
	}
	exited := r.status >= 0
	switch {
	case len(c.exits) == 0 && strings.TrimSpace(first) != "":
		name, _, _ := strings.Cut(strings.TrimSpace(first), " ") // of yara: the rule, before the file's path
		return nameOf(name), nil
	case exited && slices.Contains(c.exits, r.status):
		if first == "" {
			first = fmt.Sprintf("exit status %d", r.status)
		}
		return nameOf(strings.ReplaceAll(first, r.dir+string(filepath.Separator), "")), nil
	case r.output.over || r.errors.over:
		return "", fmt.Errorf("it prints more than %d bytes", maxOutput)
	case r.left:
		return "", errors.New("it left a process behind that holds on to its output")
	case r.status != 0:
		return "", fmt.Errorf("it ends with %s%s", r.ended, r.complaint())
	}
	return "", nil
}

// complaint is the first line of what a command writes to its standard error.
func (r *run) complaint() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(r.errors.kept)), "\n")
	if line == "" {
		return ""
	}
	return ": " + shorten(strings.ReplaceAll(line, r.dir+string(filepath.Separator), ""))
}

// run is one run of a program.
type run struct {
	argv  []string
	dir   string
	input io.Reader // nil: nothing on standard input

	output, errors drained
	status         int    // -1: it was killed
	ended          string // in words
	unread         bool   // it did not read its whole input
	left           bool   // something that it has started holds on to its output
}

// do runs the program to its end. The error says that it could not be run, or was killed because ctx is done.
func (r *run) do(ctx context.Context) error {
	cmd := exec.Command(r.argv[0], r.argv[1:]...)
	cmd.Env, cmd.Dir = []string{}, r.dir
	ownGroup(cmd)
	pipes, err := r.connect(cmd)
	if err != nil {
		return down("it cannot be run: %w", err)
	}
	defer pipes.close()
	if err := cmd.Start(); err != nil {
		return down("it cannot be run: %w", rootCause(err))
	}
	pipes.started(r, func() { killGroup(cmd) })
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		killGroup(cmd)
		<-ended
		return down("it was stopped: %w", context.Cause(ctx))
	}
	killGroup(cmd) // whatever it has started
	r.unread = pipes.finish(r)
	r.status, r.ended = cmd.ProcessState.ExitCode(), cmd.ProcessState.String()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("running it: %w", err)
	}
	return nil
}

// rootCause leaves out of an error what names our files.
func rootCause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", filepath.Base(p.Path), p.Err)
	}
	return err
}
