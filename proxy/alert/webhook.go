package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// webhook posts events to a URL. It follows no redirect: what it sends is for the address that the configuration names, and for no
// other.
type webhook struct {
	sink   *Sink
	agent  string
	client *http.Client
}

func newWebhook(s *Sink, o Options) *webhook {
	transport := &http.Transport{
		Proxy: o.Proxy, TLSClientConfig: &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: patience, ResponseHeaderTimeout: patience, MaxResponseHeaderBytes: 64 << 10,
		MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		DialContext: (&net.Dialer{Timeout: patience}).DialContext,
	}
	return &webhook{sink: s, agent: "sallyport/" + o.Version, client: &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w *webhook) carry(ctx context.Context, e *Event) error {
	body, err := w.body(e)
	if err != nil {
		return &refused{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.sink.Webhook, bytes.NewReader(body))
	if err != nil {
		return &refused{errors.New("the URL is no good")}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	if w.sink.Token != "" {
		req.Header.Set("Authorization", "Bearer "+w.sink.Token)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return unaddressed(err, req.URL.Host)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return judged(resp)
}

func (w *webhook) body(e *Event) ([]byte, error) {
	if w.sink.Slack {
		return marshal(slackMessage{Text: slackText(e)})
	}
	return marshal(e)
}

// marshal is json.Marshal without the escapes that are for pages of HTML, which make text up to six times as long.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

func (w *webhook) close() { w.client.CloseIdleConnections() }

// judged says what a status means. What the server will not take however often it is sent is refused for good.
func judged(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("the webhook answers %d, which sends elsewhere; that is not followed", code)
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return &refused{fmt.Errorf("the webhook answers %d", code)}
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return &later{fmt.Errorf("the webhook answers %d", code), retryAfter(resp.Header.Get("Retry-After"))}
	default:
		return fmt.Errorf("the webhook answers %d", code)
	}
}

// maxWait is the longest that is waited between two attempts.
const maxWait = 5 * time.Minute

func retryAfter(value string) time.Duration {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(min(n, 3600))*time.Second, maxWait)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
