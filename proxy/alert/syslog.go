package alert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// How long a message may be: what every receiver of datagrams takes (RFC 5426 section 3.2), and what receivers of streams commonly do.
const (
	maxDatagram = 2048
	maxStream   = 8192
)

// syslogger sends events to a syslog server. The protocol has no acknowledgement: what was written counts as delivered.
type syslogger struct {
	sink    *Sink
	network string // udp, tcp, tls, unix
	address string
	host    string
	version string
	roots   *x509.CertPool
	conn    net.Conn
	framed  bool         // octet counting, RFC 6587 section 3.4.1
	ended   *atomic.Bool // the other side has closed conn
}

func newSyslog(s *Sink, o Options) (*syslogger, error) {
	u, err := url.Parse(s.Syslog)
	if err != nil {
		return nil, fmt.Errorf("alerts: the syslog server of sink %s has no proper address", s.Name)
	}
	address := u.Host
	if u.Scheme == "unix" {
		address = u.Path
	}
	if s.Facility < 0 || s.Facility > 23 {
		return nil, fmt.Errorf("alerts: sink %s has no facility from 0 to 23", s.Name)
	}
	return &syslogger{sink: s, network: u.Scheme, address: address, host: o.Host, version: o.Version, roots: s.Roots}, nil
}

// carry sends a message for each client of an event, or one if there is none.
func (s *syslogger) carry(ctx context.Context, e *Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.conn == nil || s.ended.Load() {
		s.close()
		if err := s.dial(ctx); err != nil {
			return err
		}
	}
	conn := s.conn
	conn.SetWriteDeadline(time.Now().Add(patience)) // for all of it
	ended := context.AfterFunc(ctx, func() { conn.SetWriteDeadline(time.Now()) })
	defer ended()
	if len(e.Clients) == 0 {
		return s.send(e, nil)
	}
	for i := range e.Clients {
		if err := s.send(e, &e.Clients[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *syslogger) send(e *Event, client *Access) error {
	limit := maxStream
	if !s.framed {
		limit = maxDatagram
	}
	message := s.message(e, client, limit)
	if s.framed {
		message = strconv.Itoa(len(message)) + " " + message
	}
	if _, err := io.WriteString(s.conn, message); err != nil {
		s.close()
		return fmt.Errorf("sending to the syslog server: %w", unaddressed(err, s.address))
	}
	return nil
}

// message is an event as RFC 5424 section 6 has it, with CEF for its text.
func (s *syslogger) message(e *Event, client *Access, limit int) string {
	head := fmt.Sprintf("<%d>1 %s %s sallyport %d %s - ", s.sink.Facility*8+syslogSeverity(e.Severity),
		e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), header(s.host), os.Getpid(), header(string(e.Kind)))
	return head + e.cef(s.version, client, limit-len(head))
}

// header makes a field of the header: printable ASCII without spaces, at most 255 of it.
func header(s string) string {
	out := []byte(printable.ASCII(s, 255))
	for i, c := range out {
		if c <= ' ' || c > '~' {
			out[i] = '_'
		}
	}
	if len(out) == 0 {
		return "-"
	}
	return string(out)
}

// syslogSeverity translates a severity of CEF: critical, error, warning, notice.
func syslogSeverity(cef int) int {
	switch {
	case cef >= 9:
		return 2
	case cef >= 7:
		return 3
	case cef >= 5:
		return 4
	}
	return 5
}

func (s *syslogger) dial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	var err error
	s.framed = s.network == "tcp" || s.network == "tls"
	switch s.network {
	case "unix":
		if s.conn, err = d.DialContext(ctx, "unixgram", s.address); err != nil {
			s.framed = true
			s.conn, err = d.DialContext(ctx, "unix", s.address)
		}
	case "tls":
		s.conn, err = (&tls.Dialer{Config: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}}).DialContext(ctx, "tcp", s.address)
	default:
		s.conn, err = d.DialContext(ctx, s.network, s.address)
	}
	if err != nil {
		s.conn = nil
		return fmt.Errorf("connecting to the syslog server: %w", unaddressed(err, s.address))
	}
	s.ended = new(atomic.Bool)
	if s.framed {
		go notice(s.conn, s.ended)
	}
	return nil
}

// notice notices that the other side has closed a connection on which it has nothing to say.
func notice(c net.Conn, ended *atomic.Bool) {
	io.Copy(io.Discard, c)
	ended.Store(true)
}

func (s *syslogger) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}
