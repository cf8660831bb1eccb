package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/sallyport-project/sallyport/proxy/mitm"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
)

// Client gives orders to the Operator of a running server over its control socket.
type Client struct {
	http *http.Client
}

// NewClient returns a client of the socket at path. Nothing is connected yet.
func NewClient(path string) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}}
}

// maxAnswer bounds the JSON that a server answers with, in bytes.
const maxAnswer = 256 << 20

// List is Operator.List.
func (c *Client) List(ctx context.Context, all bool) (entries []quarantine.Entry, err error) {
	return entries, c.ask(ctx, http.MethodGet, fmt.Sprintf("/v1/items?all=%t", all), nil, &entries)
}

// Show is Operator.Show.
func (c *Client) Show(ctx context.Context, id string) (entries []quarantine.Entry, err error) {
	return entries, c.ask(ctx, http.MethodGet, "/v1/items/"+url.PathEscape(id), nil, &entries)
}

// Export is Operator.Export.
func (c *Client) Export(ctx context.Context, id string, w io.Writer) error {
	return c.stream(ctx, "/v1/items/"+url.PathEscape(id)+"/content", w)
}

// Backup is Operator.Backup.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	return c.stream(ctx, "/v1/backup", w)
}

// Release is Operator.Release.
func (c *Client) Release(ctx context.Context, order Order) (done Done, err error) {
	err = c.ask(ctx, http.MethodPost, "/v1/release", order, &done)
	return doneOf(done, err), err
}

// Reject is Operator.Reject.
func (c *Client) Reject(ctx context.Context, order Order) (done Done, err error) {
	err = c.ask(ctx, http.MethodPost, "/v1/reject", order, &done)
	return doneOf(done, err), err
}

// doneOf returns what was done although there is an error.
func doneOf(done Done, err error) Done {
	var remote *remoteError
	if errors.As(err, &remote) && remote.trouble.Done != nil {
		return *remote.trouble.Done
	}
	return done
}

// RotateCA is Operator.RotateCA.
func (c *Client) RotateCA(ctx context.Context, by string) (info mitm.Info, err error) {
	return info, c.ask(ctx, http.MethodPost, "/v1/ca/rotate", map[string]string{"by": by}, &info)
}

// send makes a request; what comes back has succeeded.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://sallyport"+path, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the running server: %w", err)
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	var t Trouble
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxOrder)).Decode(&t); err != nil || t.Message == "" {
		return nil, fmt.Errorf("asking the running server: it answered %s; is it of this version?", resp.Status)
	}
	return nil, &remoteError{t}
}

func (c *Client) ask(ctx context.Context, method, path string, body, out any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("reading the running server's answer: %w", err)
	}
	return nil
}

func (c *Client) stream(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("reading from the running server: %w", err)
	}
	if resp.Trailer.Get(completeTrailer) != "yes" {
		return errors.New("reading from the running server: it broke off; its log says why")
	}
	return nil
}

// remoteError is an error of the running server.
type remoteError struct{ trouble Trouble }

func (e *remoteError) Error() string { return e.trouble.Message }

// Hint is what the operator could do about it; "" if nothing comes to mind.
func (e *remoteError) Hint() string { return e.trouble.Advice }

// Is makes errors.Is see the errors that callers tell apart.
func (e *remoteError) Is(target error) bool {
	return target == ErrNotFound && e.trouble.Code == "not-found" || target == ErrOrder && e.trouble.Code == "order" || target == ErrProof && e.trouble.Code == "proof"
}
