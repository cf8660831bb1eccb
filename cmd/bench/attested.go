package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	attestedProxyAddr   = "127.0.0.1:13129"
	attestedConsoleAddr = "127.0.0.1:18641"
	attestedUpdates     = 1000
	attestedClients     = 11       // one of them asks for unrelated updates
	attestedSize        = 64 << 10 // bytes of an update
	unrelatedUpdates    = 100      // at most, in each part
)

// crowdKind is what a crowd asks for.
type crowdKind string

const (
	attested crowdKind = "attested" // updates with a bundle beside each
	listed   crowdKind = "listed"   // updates that are listed by their digests
)

// crowds are how long unrelated updates took, in milliseconds, while each kind of crowd was there, or none.
type crowds map[crowdKind][]float64

// attestedOrigin serves updates with a bundle beside each, and others that are listed by their digests.
func (s *stage) attestedOrigin() (files map[string][]byte, digests []string) {
	files = map[string][]byte{}
	for i := range attestedUpdates {
		body := fmt.Appendf(noise(attestedSize), "%d", i)
		name := fmt.Sprintf("/attested/update-%d.bin", i)
		files[name], files[name+".sigstore.json"] = body, s.instance.Sign(body, benchSigner)
	}
	for _, name := range []string{string(listed), "unrelated"} {
		for i := range attestedUpdates {
			body := fmt.Appendf(noise(attestedSize), "%s %d", name, i)
			files[fmt.Sprintf("/%s/update-%d.bin", name, i)] = body
			digests = append(digests, fmt.Sprintf("%x", sha256.Sum256(body)))
		}
	}
	return files, digests
}

// startAttested starts an origin and a proxy of its own for the crowd.
func (s *stage) startAttested(ctx context.Context) error {
	if err := writeCertificates(s.framework("")); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	files, digests := s.attestedOrigin()
	cert, err := tls.LoadX509KeyPair(s.framework("origin.pem"), s.framework("origin.key"))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	origin := &http.Server{ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, ok := files[r.URL.Path]
			if !ok {
				http.NotFound(w, r)
				return
			}
			w.Write(body)
		})}
	s.ending = append(s.ending, func() { origin.Close() })
	go origin.ServeTLS(l, "", "")
	if err := s.writeAttested(l.Addr().String(), digests); err != nil {
		return err
	}
	proxy, err := s.start(ctx, attestedProxyAddr, s.binary, "serve", "--config", s.framework("sallyport.yaml"))
	if proxy != nil {
		s.ending = append(s.ending, func() { proxy.Process.Signal(os.Interrupt); proxy.Wait() })
	}
	if err != nil {
		return err
	}
	resp, err := http.Get("http://" + attestedProxyAddr + "/ca.pem")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	ca, err := io.ReadAll(io.LimitReader(resp.Body, mib))
	if err != nil {
		return err
	}
	s.clientCA = s.framework("clients.pem")
	if err := os.WriteFile(s.clientCA, ca, 0o600); err != nil {
		return err
	}
	return nil
}

// clientAt is a client with an address of its own on this machine: how much a client may have under way is limited.
func (s *stage) clientAt(n int) (*http.Client, error) {
	client, err := s.client(attestedProxyAddr)
	if err == nil {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n))}}
		client.Transport.(*http.Transport).DialContext = dialer.DialContext
	}
	return client, err
}

func (s *stage) writeAttested(origin string, digests []string) error {
	config := fmt.Sprintf(`listen: %s
console: %s
policy: policy.yaml
log: {level: warn}
upstream:
  roots: [ca.pem]
  allow_private: [127.0.0.0/8]
  resolve: {%s: %q}
`, attestedProxyAddr, attestedConsoleAddr, originHost, origin)
	policy := fmt.Sprintf(`version: 1
anchors:
  bench: {sigstore: {issuer: %q, identity: %q, trusted_root: trusted_root.json}}
  listed: {digest: {sha256: [%s]}}
channels:
- {name: attested, hosts: [%[4]s], paths: ["/attested/**"], require: [{signed_by: [bench]}]}
- {name: listed, hosts: [%[4]s], paths: ["/listed/**", "/unrelated/**"], require: [{signed_by: [listed]}]}
`, benchSigner.Issuer, benchSigner.Identity, strings.Join(digests, ", "), originHost)
	return errors.Join(os.WriteFile(filepath.Join(s.framework(""), "sallyport.yaml"), []byte(config), 0o600),
		os.WriteFile(s.framework("policy.yaml"), []byte(policy), 0o600))
}

// crowdOf lets ten clients ask for all updates of a kind at the same time, and another one for unrelated ones, one after
// the other. It returns how long it takes until all have theirs.
func crowdOf(kind crowdKind) figure {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		if s.crowds == nil {
			if err := s.startAttested(ctx); err != nil {
				return 0, err
			}
			s.crowds = crowds{}
			if err := s.unrelated(ctx, "", nil); err != nil {
				return 0, err
			}
		}
		began := time.Now()
		done := make(chan struct{})
		var failed error
		go func() { failed = s.crowd(ctx, kind); close(done) }()
		if err := s.unrelated(ctx, kind, done); err != nil {
			return 0, err
		}
		<-done
		return time.Since(began).Seconds(), failed
	}
}

// crowd has every update of a kind asked for at once, and waits for all.
func (s *stage) crowd(ctx context.Context, kind crowdKind) error {
	var wg sync.WaitGroup
	failed := make(chan error, attestedUpdates)
	for n := range attestedClients {
		client, err := s.clientAt(1 + n)
		if err != nil {
			return err
		}
		defer client.CloseIdleConnections()
		for i := n; i < attestedUpdates; i += attestedClients {
			wg.Go(func() {
				if _, err := fetchTimed(ctx, client, fmt.Sprintf("/%s/update-%d.bin", kind, i)); err != nil {
					failed <- err
				}
			})
		}
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// unrelated asks for one unrelated update after another until done is closed or there are enough, and notes how long each
// took.
func (s *stage) unrelated(ctx context.Context, meanwhile crowdKind, done <-chan struct{}) error {
	client, err := s.clientAt(250)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for range unrelatedUpdates {
		select {
		case <-done:
			return nil
		default:
		}
		took, err := fetchTimed(ctx, client, fmt.Sprintf("/unrelated/update-%d.bin", s.asked))
		if err != nil {
			return err
		}
		s.asked++
		s.crowds[meanwhile] = append(s.crowds[meanwhile], took)
	}
	return nil
}

// fetchTimed fetches an update and returns how many milliseconds that took.
func fetchTimed(ctx context.Context, client *http.Client, path string) (float64, error) {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+originHost+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n < attestedSize) {
		err = fmt.Errorf("%s: %s, %d bytes", path, resp.Status, n)
	}
	return float64(time.Since(began).Microseconds()) / 1000, err
}

// unrelatedBeside is how long an unrelated update took at most in 95 of 100 cases, while a kind of crowd was there, or none.
func unrelatedBeside(kind crowdKind) figure {
	return func(_ context.Context, s *stage, _ int) (float64, error) {
		sorted := slices.Sorted(slices.Values(s.crowds[kind]))
		if len(sorted) == 0 {
			return 0, errors.New("nothing was measured")
		}
		return sorted[len(sorted)*95/100], nil
	}
}
