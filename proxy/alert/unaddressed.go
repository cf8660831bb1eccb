package alert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
)

// nowhere is an error whose text does not say to where something was sent.
type nowhere struct {
	text string
	error
}

func (n *nowhere) Error() string { return n.text }

// Unwrap returns the error as it was.
func (n *nowhere) Unwrap() error { return n.error }

// unaddressed returns what went wrong on the way to a host, which may have a port, without its name, address or URL: whoever reads the
// log has no business with them.
func unaddressed(err error, host string) error {
	var lookup *net.DNSError
	var other x509.HostnameError
	text := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		text = fmt.Sprintf("no answer within %s", patience)
	case errors.As(err, &lookup):
		text = "its name cannot be resolved"
		if lookup.IsNotFound {
			text = "there is no host of its name"
		}
	case errors.As(err, &other):
		text = "its certificate is for another name"
	default:
		text = strip(err).Error()
	}
	for _, name := range []string{host, hostname(host)} {
		if name != "" {
			text = strings.ReplaceAll(text, name, "(the sink)")
		}
	}
	return &nowhere{text, err}
}

// strip takes off the layers that add where something was sent.
func strip(err error) error {
	for {
		var request *url.Error
		var op *net.OpError
		switch {
		case errors.As(err, &request):
			err = request.Err
		case errors.As(err, &op) && op.Err != nil:
			err = op.Err
		default:
			return err
		}
	}
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
