package alert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Sink says where events go. Either Webhook or Syslog is set.
type Sink struct {
	Name    string // for the log and the metrics, which never name the address
	Webhook string // URL; a secret
	Slack   bool   // the webhook takes text as Slack's do, not JSON of ours
	Token   string // sent as a bearer token; a secret
	Syslog  string // udp://host:port, tcp://host:port, tls://host:port or unix:///path
	// Facility is the number of the syslog facility, from 0 to 23.
	Facility int
	Roots    *x509.CertPool // whom the server's certificate must chain to; nil: the system's
	Events   []Kind         // that are sent; none: Default
	Rate     int            // events of one kind a minute; 0 is 60
	Queue    int            // events that wait while the sink cannot be reached; 0 is 1000
}

// wants reports whether a sink is told of a kind of events.
func (s *Sink) wants(k Kind) bool {
	if len(s.Events) == 0 {
		return slices.Contains(Default, k)
	}
	return slices.Contains(s.Events, k)
}

// carrier brings events to where they go. It is used by one goroutine.
type carrier interface {
	// carry returns when the other side has an event, as far as the protocol tells. An error says nothing of the address. One that is
	// a *refused will not go away by trying again.
	carry(context.Context, *Event) error
	close()
}

// refused means that the other side does not want an event.
type refused struct{ error }

// later means that the other side wants to be left alone for a while.
type later struct {
	error
	after time.Duration
}

// patience is how long one attempt to deliver may take.
const patience = 10 * time.Second

// CheckWebhook says what is wrong with the URL of a webhook, without repeating it.
func CheckWebhook(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is to be an https URL")
	case u.User != nil:
		return errors.New("holds a user or a password: use token_file")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("goes over plain http to another machine, where anybody on the way reads it: use https")
	}
	return nil
}

// CheckSyslog says what is wrong with the address of a syslog server.
func CheckSyslog(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is to be an address such as udp://host:514, tcp://host:601, tls://host:6514 or unix:///dev/log")
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" {
			return errors.New("a socket is written like unix:///dev/log")
		}
		return nil
	case "udp", "tcp", "tls":
		if u.Hostname() == "" || u.Port() == "" || u.Path != "" || u.User != nil || u.RawQuery != "" {
			return fmt.Errorf("is to be a host and a port, such as %s://siem.example:6514", u.Scheme)
		}
		return nil
	}
	return errors.New("begins with udp://, tcp://, tls:// or unix://")
}

// carrier makes what delivers to the sink.
func (s *Sink) carrier(o Options) (carrier, error) {
	switch {
	case (s.Webhook == "") == (s.Syslog == ""):
		return nil, fmt.Errorf("alerts: sink %s needs either a webhook or a syslog server", s.Name)
	case s.Webhook != "":
		if err := CheckWebhook(s.Webhook); err != nil {
			return nil, fmt.Errorf("alerts: the webhook of sink %s %w", s.Name, err)
		}
		return newWebhook(s, o), nil
	}
	if err := CheckSyslog(s.Syslog); err != nil {
		return nil, fmt.Errorf("alerts: the syslog server of sink %s %w", s.Name, err)
	}
	return newSyslog(s, o)
}

// Options is what all sinks share.
type Options struct {
	Dir     string                                // where events wait, a directory for each sink; "" is memory
	Host    string                                // the gateway's name
	Version string                                // of the program
	Proxy   func(*http.Request) (*url.URL, error) // towards webhooks; nil: none
	Warn    func(sink, problem string)            // is told of a sink that cannot be reached, and, with "", that it can be again; nil: nobody is
	Now     func() time.Time                      // nil means time.Now
	// Retry is how long to wait after the first attempt that failed; every further one doubles it, up to 5 minutes. 0 is 1 s.
	Retry time.Duration
}
