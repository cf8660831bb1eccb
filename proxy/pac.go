package proxy

import (
	"net"
	"net/http"
	"strings"
)

// PAC returns a proxy auto-configuration file that sends everything but private hosts to the proxy at addr, which is
// host:port. Anything else in its place gives an error that names it.
func PAC(addr string) ([]byte, error) {
	t, err := parseTarget(addr, 0)
	if err != nil {
		return nil, err
	}
	return []byte(strings.ReplaceAll(pacFile, "PROXY-ADDRESS", t.authority())), nil
}

// pacFile holds no byte of a request but the address, which has been parsed and written anew.
const pacFile = `function FindProxyForURL(url, host) {
  host = host.toLowerCase();
  if (isPlainHostName(host) || host === "localhost" || dnsDomainIs(host, ".localhost") ||
      dnsDomainIs(host, ".local") || dnsDomainIs(host, ".internal") || dnsDomainIs(host, ".home.arpa")) {
    return "DIRECT";
  }
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host) &&
      (isInNet(host, "10.0.0.0", "255.0.0.0") || isInNet(host, "172.16.0.0", "255.240.0.0") ||
       isInNet(host, "192.168.0.0", "255.255.0.0") || isInNet(host, "127.0.0.0", "255.0.0.0") ||
       isInNet(host, "169.254.0.0", "255.255.0.0") || isInNet(host, "100.64.0.0", "255.192.0.0"))) {
    return "DIRECT";
  }
  if (/^\[?(::1|f[cd][0-9a-f]*:|fe[89ab][0-9a-f]:)/.test(host)) {
    return "DIRECT";
  }
  return "PROXY PROXY-ADDRESS";
}
`

// servePage answers a request that asks the proxy itself, as if it were a web server.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	x := sessionOf(r.Context()).writer
	x.session.end(outcomePage)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		x.refuse(refusal{Kind: kindDenied, Status: http.StatusMethodNotAllowed, Title: "This is a proxy", Detail: "it has a few pages of its own, which can only be read"})
		return
	}
	addr := ownAddress(r)
	switch r.URL.Path {
	case "/proxy.pac", "/wpad.dat":
		body, err := PAC(addr)
		if err != nil {
			x.refuse(refusal{Kind: kindAmbiguous, Detail: "the Host field names no address of this proxy: " + err.Error()})
			return
		}
		x.reply(answer(r, http.StatusOK, "application/x-ns-proxy-autoconfig", body))
	case "/ca.pem":
		if s.o.CA == nil {
			x.refuse(noPage)
			return
		}
		x.reply(answer(r, http.StatusOK, "application/x-pem-file", s.o.CA()))
	case "/":
		help := struct {
			Proxy string
			CA    bool
		}{addr, s.o.CA != nil}
		x.reply(answer(r, http.StatusOK, "text/html; charset=utf-8", page("help.html", help)))
	default:
		x.refuse(noPage)
	}
}

var noPage = refusal{Kind: kindDenied, Status: http.StatusNotFound, Title: "No such page",
	Detail: "this is a proxy; to fetch something through it, give it to your program as its HTTP proxy"}

// ownAddress returns the address under which the client has reached the proxy: what its Host field says, if that is a
// host and port, else the address of the connection.
func ownAddress(r *http.Request) string {
	if t, err := parseTarget(r.Host, 80); err == nil {
		return t.authority()
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return ""
}
