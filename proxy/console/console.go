// Package console is what operators and auditors see of a running proxy: its health, its metrics and what clients need
// to be set up, on an address of its own (Console); and the orders that the command line gives to the one process
// that owns the state (Operator, served over a Unix socket by Control and asked by Client).
//
// Nothing on the console's address changes anything. Orders are given over the socket only, which lies in the state
// directory and is open to its owner alone.
package console

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// Options of New. Functions may be called by many goroutines at once.
type Options struct {
	Checks  []Check       // what /readyz looks at, in this order
	Metrics http.Handler  // answers /metrics; nil: there is no such page
	CA      func() []byte // the certificates that clients are to trust, in PEM
	Proxy   string        // where clients reach the proxy, host:port; an unspecified host is replaced by the one the console was asked by
	Hosts   []string      // names, besides localhost and IP addresses, by which the console may be asked
	Version string        // shown on the index page
}

// New returns the handler of the console's address.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", o.index)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", o.ready)
	mux.HandleFunc("GET /ca.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Header().Set("Content-Disposition", `attachment; filename="sallyport-ca.pem"`)
		w.Write(o.CA())
	})
	mux.HandleFunc("GET /proxy.pac", o.pac)
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	return o.guard(mux)
}

// guard lets requests through that were made for this console, and puts on the answers what keeps browsers from
// making anything else of them.
//
// A page elsewhere whose name is made to resolve to this address (DNS rebinding) would be asked for by that name, so
// names nobody has configured are refused. IP addresses cannot be made to mean something else.
func (o Options) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.URL.IsAbs() || r.Method == http.MethodConnect {
			http.Error(w, "this is the console, not the proxy", http.StatusMisdirectedRequest)
			return
		}
		if !o.knows(r.Host) {
			http.Error(w, "the console is not known by the name "+printable.ASCII(r.Host, 100)+
				"; ask by IP address or localhost, or add the name to console_hosts in the configuration", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// knows reports whether a Host header may stand for this console.
func (o Options) knows(host string) bool {
	name := hostname(host)
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	for _, known := range o.Hosts {
		if strings.EqualFold(strings.TrimSuffix(known, "."), name) {
			return true
		}
	}
	return false
}

// hostname returns the host of a Host header without port, brackets or trailing dot, in lower case.
func hostname(host string) string {
	u := url.URL{Host: host}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}

// proxyAddress is the proxy's address as a client is to use it that asked the console by this Host header.
func (o Options) proxyAddress(host string) string {
	name, port, err := net.SplitHostPort(o.Proxy)
	if err != nil {
		return o.Proxy
	}
	if addr, err := netip.ParseAddr(name); name == "" || err == nil && addr.IsUnspecified() {
		name = hostname(host)
	}
	return net.JoinHostPort(name, port)
}
