package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/elazarl/goproxy"
)

// servePeer is goproxy alone, as its own documentation embeds it: it tunnels tunnel.example and intercepts everything
// else; requests with "hash" in their query have their body hashed in the round tripper.
func servePeer(ctx context.Context, dir string) error {
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	p := goproxy.NewProxyHttpServer()
	toOrigin := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, originAddr)
	}
	p.Tr = &http.Transport{DialContext: toOrigin, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableCompression: true}
	p.ConnectDial = func(network, _ string) (net.Conn, error) { return net.Dial(network, originAddr) }
	intercept := &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: goproxy.TLSConfigFromCA(&ca)}
	p.OnRequest().HandleConnectFunc(func(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		if strings.HasPrefix(host, tunnelHost) {
			return goproxy.OkConnect, host
		}
		return intercept, host
	})
	p.OnRequest().DoFunc(func(r *http.Request, c *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		if r.URL.Query().Has("hash") {
			c.RoundTripper = goproxy.RoundTripperFunc(func(r *http.Request, _ *goproxy.ProxyCtx) (*http.Response, error) {
				resp, err := p.Tr.RoundTrip(r)
				if err == nil {
					resp.Body = &hashing{resp.Body, sha256.New()}
				}
				return resp, err
			})
		}
		return r, nil
	})
	return serveUntil(ctx, &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}, peerAddr)
}

type hashing struct {
	io.ReadCloser
	sum hash.Hash
}

// Read implements io.Reader.
func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.sum.Write(p[:n])
	return n, err
}
