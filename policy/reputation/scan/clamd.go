package scan

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/policy"
)

// clamd is a client of ClamAV's daemon: https://docs.clamav.net/manual/Usage/Scanning.html#clamd and clamd(8), section COMMANDS.
// Commands and replies are ended by NUL ("z" before the command). Each is given a connection of its own.
type clamd struct{ network, address string }

const (
	clamdChunk  = 128 << 10        // bytes that are sent in one chunk of INSTREAM
	clamdReply  = 8 << 10          // bytes that a reply may have
	answerDelay = 5 * time.Second  // for an answer that explains why the scanner takes nothing more
	dialTimeout = 10 * time.Second // for a connection
)

func newClamd(s policy.Scanner) (*clamd, error) {
	network, address, ok := strings.Cut(s.Clamd, ":")
	if !ok || network != "unix" && network != "tcp" {
		return nil, fmt.Errorf("scanner %s: %q is no address of a clamd", s.Name, s.Clamd)
	}
	return &clamd{network, address}, nil
}

// dial connects, and closes the connection once ctx is done.
func dial(ctx context.Context, network, address string) (net.Conn, func(), error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, nil, down("it cannot be reached: %w", plain(ctx, err))
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); conn.Close() }, nil
}

// isTimeout reports whether an error came of our having waited long enough.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// plain takes out of an error what changes from one attempt to the next: local ports, and which of several timers was first.
func plain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.DeadlineExceeded
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func (c *clamd) engine(ctx context.Context) (string, error) {
	conn, end, err := dial(ctx, c.network, c.address)
	if err != nil {
		return "", err
	}
	defer end()
	if _, err := conn.Write([]byte("zVERSION\x00")); err != nil {
		return "", down("it cannot be asked for its version: %w", plain(ctx, err))
	}
	reply, err := readClamd(conn)
	if err != nil {
		return "", down("it does not say its version: %w", plain(ctx, err))
	}
	if !strings.HasPrefix(reply, "ClamAV ") {
		return "", down("what answers is no clamd: it says %q", shorten(reply))
	}
	return shorten(reply), nil
}

func (c *clamd) scan(ctx context.Context, f *file) (string, error) {
	conn, end, err := dial(ctx, c.network, c.address)
	if err != nil {
		return "", err
	}
	defer end()
	answer := make(chan reply, 1)
	go func() {
		text, err := readClamd(conn)
		answer <- reply{text, err}
	}()
	content := f.read()
	sending := sendStream(conn, content, answer)
	if content.failed != nil {
		return "", fmt.Errorf("reading the file: %w", content.failed)
	}
	var got reply
	switch early := sending.early; {
	case early != nil:
		got = *early
	case sending.err != nil: // it may have said why
		if !isTimeout(sending.err) {
			conn.SetReadDeadline(time.Now().Add(answerDelay))
		}
		got = <-answer
		if got.err != nil {
			return "", down("it broke off while the file was sent: %w", plain(ctx, sending.err))
		}
	default:
		got = <-answer
	}
	if got.err != nil {
		return "", down("it does not answer as it should: %w", plain(ctx, got.err))
	}
	name, err := parseClamdReply(got.text)
	if err != nil || name != "" {
		return name, err
	}
	if sending.early != nil || sending.err != nil {
		return "", errors.New("it called the file clean before it had all of it")
	}
	if err := closed(conn); err != nil {
		return "", down("it does not end as one that has read all of the file: %w", plain(ctx, err))
	}
	return "", content.check()
}

// reply is what clamd answers.
type reply struct {
	text string
	err  error
}

// sending is how giving a file to clamd went.
type sending struct {
	early *reply // it answered before it had the whole file
	err   error
}

// sendStream sends a file as INSTREAM wants it: chunks, each with its length (4 bytes, big-endian) before it, and an empty one at the end.
func sendStream(conn net.Conn, content *sent, answer <-chan reply) (s sending) {
	if _, s.err = conn.Write([]byte("zINSTREAM\x00")); s.err != nil {
		return s
	}
	buf := make([]byte, 4+clamdChunk)
	for {
		n, err := io.ReadFull(content, buf[4:])
		select {
		case early := <-answer:
			s.early = &early
			return s
		default:
		}
		if n > 0 {
			binary.BigEndian.PutUint32(buf, uint32(n))
			if _, s.err = conn.Write(buf[:4+n]); s.err != nil {
				return s
			}
		}
		if err == nil {
			continue
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			_, s.err = conn.Write(make([]byte, 4))
		}
		return s
	}
}

// closed waits until clamd closes the connection, as it does after each answer. A system that still has bytes for whoever closes a
// connection resets it instead: then the answer was given without having read all of the file.
func closed(conn net.Conn) error {
	switch n, err := conn.Read(make([]byte, 1)); {
	case n > 0:
		return errors.New("it says more than its answer")
	case err != io.EOF:
		return err
	}
	return nil
}

// readClamd reads one reply, which a NUL ends.
func readClamd(r io.Reader) (string, error) {
	in := bufio.NewReader(io.LimitReader(r, clamdReply))
	text, err := in.ReadString(0)
	if err == io.EOF && len(text) == clamdReply {
		return "", fmt.Errorf("its answer has more than %d bytes", clamdReply)
	}
	if err == io.EOF {
		return "", errors.New("it closed the connection")
	}
	if err != nil {
		return "", err
	}
	if in.Buffered() > 0 {
		return "", errors.New("it says more than its answer")
	}
	return text[:len(text)-1], nil
}
