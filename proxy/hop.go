package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

// hopByHop are fields that concern one connection only, whether or not Connection names them (RFC 9110 section 7.6.1).
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
}

// endToEnd are fields that Connection cannot take away, so that nobody uses it to change what a message means.
var endToEnd = map[string]bool{
	"Host": true, "Content-Length": true, "Content-Type": true, "Content-Encoding": true, "Content-Range": true,
	"Authorization": true, "Cookie": true, "Cache-Control": true, "Via": true,
}

// removeHopByHop removes the fields that concern one connection only, those that Connection names among them.
func removeHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)); !endToEnd[name] {
				delete(h, name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// hasToken says whether a field's list holds a token, letter case aside.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// newPseudonym makes the name under which this instance appears in Via (RFC 9110 section 7.6.3): random, so that it
// knows its own from those of others.
func newPseudonym() string {
	var b [8]byte
	rand.Read(b[:])
	return proxyName + "-" + hex.EncodeToString(b[:])
}

func via(major, minor int, pseudonym string) string {
	if major >= 2 {
		return fmt.Sprintf("%d %s", major, pseudonym)
	}
	return fmt.Sprintf("1.%d %s", minor, pseudonym)
}

// loops says whether a message has been here before.
func loops(h http.Header, pseudonym string) bool {
	for _, line := range h["Via"] {
		if strings.Contains(line, pseudonym) {
			return true
		}
	}
	return false
}

// cleanRequest makes a client's request one that can go on: without what concerns the client's connection only, and
// without what would lead the client around the gate.
func (s *Server) cleanRequest(ses *session, r *http.Request, t target) *refusal {
	if loops(r.Header, s.pseudonym) {
		return &refusal{Kind: kindLoop, Detail: "the request has passed this proxy before: " + t.authority() + " leads back to it"}
	}
	if f := forwards(r); f != nil {
		return f
	}
	protocol, f := s.wantedUpgrade(ses, r, t)
	if f != nil {
		return f
	}
	trailers := hasToken(r.Header["Te"], "trailers")
	removeHopByHop(r.Header)
	r.Close = false // that the client's connection ends says nothing about the origin's
	if protocol != "" {
		ses.Upgrade = true
		r.Header["Connection"] = []string{"Upgrade"}
		r.Header["Upgrade"] = []string{protocol}
	}
	if trailers {
		r.Header["Te"] = []string{"trailers"}
	}
	if ses.Inspect {
		removeDictionaries(r.Header)
	}
	r.Header.Add("Via", via(r.ProtoMajor, r.ProtoMinor, s.pseudonym))
	return nil
}

// forwards honours Max-Forwards (RFC 9110 section 7.6.2).
func forwards(r *http.Request) *refusal {
	field := r.Header.Get("Max-Forwards")
	if field == "" || r.Method != http.MethodOptions && r.Method != http.MethodTrace {
		return nil
	}
	n, err := strconv.ParseUint(field, 10, 31)
	if err != nil || n == 0 {
		return &refusal{Kind: kindDenied, Detail: "Max-Forwards ends the request here"}
	}
	r.Header.Set("Max-Forwards", strconv.FormatUint(n-1, 10))
	return nil
}

// wantedUpgrade returns the protocol that a request wants to change to and may: WebSocket, where the host is not
// inspected or the policy lists it. Other wishes are dropped, as RFC 9110 section 7.8 lets a server do; a WebSocket
// cannot go on without, so it is told.
func (s *Server) wantedUpgrade(ses *session, r *http.Request, t target) (string, *refusal) {
	if r.ProtoMajor != 1 || !hasToken(r.Header["Connection"], "upgrade") || !hasToken(r.Header["Upgrade"], "websocket") {
		return "", nil
	}
	if ses.Inspect && !s.o.Rules().Upgrade(t.host) {
		return "", &refusal{Kind: kindDenied, Rule: "upgrade of " + t.host,
			Detail: "the policy does not list " + t.host + " for WebSocket: what follows an upgrade could not be looked at"}
	}
	return "websocket", nil
}

// removeDictionaries removes what offers dictionary compression (RFC 9842): bodies compressed with a dictionary of the
// client's could not be looked at.
func removeDictionaries(h http.Header) {
	delete(h, "Available-Dictionary")
	delete(h, "Dictionary-Id")
	lines := h["Accept-Encoding"]
	if !hasCoding(lines, "dcb") && !hasCoding(lines, "dcz") {
		return
	}
	var kept []string
	for _, coding := range strings.Split(strings.Join(lines, ","), ",") {
		if name := codingName(coding); name != "dcb" && name != "dcz" && name != "" {
			kept = append(kept, strings.TrimSpace(coding))
		}
	}
	h["Accept-Encoding"] = []string{strings.Join(kept, ", ")}
}

func codingName(s string) string {
	name, _, _ := strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(name))
}

func hasCoding(lines []string, name string) bool {
	for _, line := range lines {
		for coding := range strings.SplitSeq(line, ",") {
			if codingName(coding) == name {
				return true
			}
		}
	}
	return false
}

// cleanResponse makes an origin's response one that can go to the client. A refusal replaces it.
func (s *Server) cleanResponse(x *exchange, r *http.Request, resp *http.Response) *refusal {
	h := resp.Header
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		if !x.session.Upgrade || !hasToken(h["Connection"], "upgrade") || !hasToken(h["Upgrade"], "websocket") {
			return &refusal{Kind: kindUpstream, ProxyError: "http_upgrade_failed", Detail: "the origin changed to a protocol that was not asked for"}
		}
	case resp.StatusCode < 200 || resp.StatusCode > 999:
		return &refusal{Kind: kindUpstream, ProxyError: "http_protocol_error", Detail: "the origin answered with the status " + strconv.Itoa(resp.StatusCode)}
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return &refusal{Kind: kindUpstream, ProxyError: "http_protocol_error", Detail: "the origin asked for the credentials of a proxy"}
	}
	removeHopByHop(h)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		h["Connection"] = []string{"Upgrade"}
		h["Upgrade"] = []string{"websocket"}
	}
	if x.session.Inspect {
		if f := closeWaysAround(h); f != nil {
			return f
		}
	}
	s.signStatus(x, h)
	return nil
}

// closeWaysAround removes what would lead a client to another server or to a coding that the gate does not see.
func closeWaysAround(h http.Header) *refusal {
	for _, name := range []string{"Alt-Svc", "Alternate-Protocol", "Use-As-Dictionary", "Dictionary-Id"} {
		delete(h, name)
	}
	if hasCoding(h["Content-Encoding"], "dcb") || hasCoding(h["Content-Encoding"], "dcz") {
		return &refusal{Kind: kindUpstream, ProxyError: "http_response_content_coding", Detail: "the origin used a dictionary that was not offered"}
	}
	var links []string
	for _, line := range h["Link"] {
		if !strings.Contains(strings.ToLower(line), "compression-dictionary") {
			links = append(links, line)
		}
	}
	if len(links) == 0 {
		delete(h, "Link")
	} else {
		h["Link"] = links
	}
	return nil
}

// signStatus leaves our name in Proxy-Status only where the gate has put it.
func (s *Server) signStatus(x *exchange, h http.Header) {
	lines := h["Proxy-Status"]
	_, ours := h[allowedMark]
	delete(h, allowedMark)
	kept := withoutOurs(lines)
	if ours && len(lines) > 0 {
		kept = append(kept, lines[len(lines)-1])
	} else if len(kept) != len(lines) {
		x.session.note(zap.Bool("proxy_status_forged", true))
	}
	if len(kept) == 0 {
		delete(h, "Proxy-Status")
		return
	}
	h["Proxy-Status"] = kept
}
