package lookup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 2 << 20

// Where services are if the policy does not say.
const (
	virusTotal = "https://www.virustotal.com/api/v3"
	hashlookup = "https://hashlookup.circl.lu"
)

// busyError is an answer that asks for patience.
type busyError struct {
	status string
	after  time.Duration
}

// Error implements error.
func (b *busyError) Error() string { return "it answers " + b.status }

// get makes one request. known is false where the service says that it does not know the file.
func (s *Services) get(ctx context.Context, def *policy.Lookup, d verify.Digest) (body []byte, known bool, err error) {
	if s.o.Transport == nil {
		return nil, false, errors.New("nothing is asked here")
	}
	req, err := request(ctx, def, d)
	if err != nil {
		return nil, false, err
	}
	resp, err := s.o.Transport.RoundTrip(req) // which follows no redirects
	if err != nil {
		return nil, false, plainly(ctx, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, false, notFound(ctx, def, resp)
	case resp.StatusCode != http.StatusOK:
		return nil, false, &busyError{resp.Status, retryAfter(resp.Header.Get("Retry-After"))}
	}
	body, err = read(ctx, resp)
	return body, true, err
}

func read(ctx context.Context, resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, plainly(ctx, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	case !json.Valid(body):
		return nil, errors.New("its answer is no JSON")
	}
	return body, nil
}

// notFound tells a service that does not know a file from a wrong address. Each service says it in its own way.
func notFound(ctx context.Context, def *policy.Lookup, resp *http.Response) error {
	body, err := read(ctx, resp)
	var answer struct {
		Message *string `json:"message"` // hashlookup
		Error   struct {
			Code string `json:"code"` // virustotal
		} `json:"error"`
	}
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	switch {
	case def.Service == "json":
		return nil // nothing is agreed on
	case err != nil:
		return fmt.Errorf("it answers %s, but not as the service would: %w", resp.Status, err)
	case def.Service == "virustotal" && answer.Error.Code != "NotFoundError",
		def.Service == "hashlookup" && answer.Message == nil:
		return fmt.Errorf("it answers %s, but not as the service would", resp.Status)
	}
	return nil
}

func request(ctx context.Context, def *policy.Lookup, d verify.Digest) (*http.Request, error) {
	base := def.URL
	header := http.Header{"Accept": {"application/json"}, "User-Agent": {"Sallyport"}}
	switch def.Service {
	case "virustotal":
		if base == "" {
			base = virusTotal
		}
		base = strings.TrimSuffix(base, "/") + "/files/" + d.String()
		header.Set("X-Apikey", def.Key)
	case "hashlookup":
		if base == "" {
			base = hashlookup
		}
		base = strings.TrimSuffix(base, "/") + "/lookup/sha256/" + d.String()
	default:
		base = strings.ReplaceAll(base, "{sha256}", d.String())
		if def.Key != "" {
			name := def.Header
			if name == "" {
				name = "Authorization"
			}
			header.Set(name, def.Key)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base, nil)
	if err != nil {
		return nil, errors.New("its address is none")
	}
	req.Header = header
	return req, nil
}

// plainly leaves out of an error what may be secret: errors about requests name URLs.
func plainly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("it cannot be asked: %w", err)
}

func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(min(n, 3600)) * time.Second
	}
	return 0
}

// decode reads JSON with its numbers as they are written.
func decode(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("its answer is not what the service would say: %w", err)
	}
	return nil
}
