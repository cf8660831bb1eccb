package alert

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// running runs Alerts until the test ends.
func running(t *testing.T, o Options, sinks ...Sink) *Alerts {
	t.Helper()
	if o.Retry == 0 {
		o.Retry = 5 * time.Millisecond
	}
	a, err := New(sinks, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { a.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return a
}

// await waits for something to become true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// counted is what the metrics say of a sink.
func (a *Alerts) counted(sink, result string) float64 {
	r := prometheus.NewRegistry()
	r.MustRegister(a)
	families, err := r.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); f.GetName() == "sallyport_alerts_total" && l[0].GetValue() == result && l[1].GetValue() == sink {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

// receiver is a webhook that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	tokens []string
	answer func(n int) int // status of the nth request
}

func newReceiver(t *testing.T, answer func(n int) int) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.tokens = append(r.bodies, string(body)), append(r.tokens, req.Header.Get("Authorization"))
		if r.answer != nil {
			w.WriteHeader(r.answer(len(r.bodies)))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

func TestWebhooksGetJSONAndSlackText(t *testing.T) {
	plain, slack := newReceiver(t, nil), newReceiver(t, nil)
	a := running(t, Options{Host: "gate"}, Sink{Name: "soc", Webhook: plain.URL + "/secret", Token: "t0k3n"}, Sink{Name: "chat", Webhook: slack.URL, Slack: true})
	a.Tell(regretted())
	a.Tell(Event{Kind: Quarantine, Text: "nobody asked for this"}.finished())
	await(t, "delivery", func() bool { return len(plain.got()) == 1 && len(slack.got()) == 1 })
	var e Event
	if err := json.Unmarshal([]byte(plain.got()[0]), &e); err != nil || e.Kind != Regret || e.Host != "gate" || len(e.Clients) != 2 || e.Clients[0].User != "alice" {
		t.Errorf("%v: %s", err, plain.got()[0])
	}
	if plain.tokens[0] != "Bearer t0k3n" {
		t.Errorf("token %q", plain.tokens[0])
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(slack.got()[0]), &m); err != nil || len(m) != 1 || !strings.Contains(m["text"], "client: `alice at 10.1.2.3, 2026-11-23 11:00:00 UTC, by channel dl, received`") {
		t.Errorf("%v: %q", err, m)
	}
	await(t, "counting", func() bool { return a.counted("soc", "sent") == 1 })
}

// What fails is tried again, in order; what the other side will never take is given up, and counted.
func TestDeliveryIsTriedAgain(t *testing.T) {
	r := newReceiver(t, func(n int) int { return []int{500, 429, 403, 200, 400, 200}[min(n-1, 5)] })
	var mu sync.Mutex
	var problems []string
	warn := func(sink, problem string) { mu.Lock(); problems = append(problems, problem); mu.Unlock() }
	a := running(t, Options{Warn: warn}, Sink{Name: "soc", Webhook: r.URL + "/T0/secret"})
	for i := range 3 {
		a.Tell(Event{Kind: Regret, Text: fmt.Sprint(i), SHA256: [32]byte{byte(i + 1)}}.finished())
	}
	await(t, "delivery", func() bool { return a.counted("soc", "sent") == 2 })
	var texts []string
	for _, body := range r.got() {
		var e Event
		json.Unmarshal([]byte(body), &e)
		texts = append(texts, e.Text)
	}
	if got := strings.Join(texts, " "); got != "0 0 0 0 1 2" {
		t.Errorf("sent %s", got)
	}
	if a.counted("soc", "failed") != 3 || a.counted("soc", "dropped") != 1 {
		t.Errorf("failed %v, dropped %v", a.counted("soc", "failed"), a.counted("soc", "dropped"))
	}
	mu.Lock()
	defer mu.Unlock()
	if all := strings.Join(problems, "|"); all != "the webhook answers 500||an alert was given up: the webhook answers 400" {
		t.Errorf("told %q", all)
	}
}

// A webhook that redirects to another host is not followed there, and its URL is never told.
func TestRedirectsAreNotFollowed(t *testing.T) {
	other := newReceiver(t, nil)
	r := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer r.Close()
	w := newWebhook(&Sink{Webhook: r.URL + "/hooks/T0PS3CRET"}, Options{})
	defer w.close()
	e := regretted()
	if err := w.carry(t.Context(), &e); err == nil || !strings.Contains(err.Error(), "307") || strings.Contains(err.Error(), "T0PS3CRET") {
		t.Errorf("%v", err)
	}
	if len(other.got()) != 0 {
		t.Errorf("the other host got %s", other.got())
	}
}

func TestErrorsSayNothingOfTheURL(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	strangers := httptest.NewTLSServer(http.NotFoundHandler())
	defer strangers.Close()
	strangers.Config.ErrorLog = nil
	e := regretted()
	for _, address := range []string{"http://" + l.Addr().String(), strangers.URL} {
		w := newWebhook(&Sink{Webhook: address + "/hooks/T0PS3CRET?k=T0PS3CRET"}, Options{})
		err := w.carry(t.Context(), &e)
		if err == nil || strings.Contains(err.Error(), "T0PS3CRET") {
			t.Errorf("%s: %v", address, err)
		}
		if address == strangers.URL {
			var unknown x509.UnknownAuthorityError
			if !errors.As(err, &unknown) {
				t.Errorf("a certificate that nobody vouches for: %v", err)
			}
		}
	}
	for _, bad := range []string{"ftp://x/T0PS3CRET", "http://siem.example/T0PS3CRET", "https://u:T0PS3CRET@x/", "https://", ":T0PS3CRET"} {
		if err := CheckWebhook(bad); err == nil || strings.Contains(err.Error(), "T0PS3CRET") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A webhook that hangs keeps nobody else waiting, and what waits for it is bounded.
func TestAWebhookThatHangsIsNoBurden(t *testing.T) {
	hang := make(chan struct{})
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-hang:
		case <-req.Context().Done():
		}
	}))
	defer r.Close()
	defer close(hang)
	good := newReceiver(t, nil)
	a := running(t, Options{}, Sink{Name: "bad", Webhook: r.URL, Queue: 3, Rate: 10000}, Sink{Name: "good", Webhook: good.URL, Rate: 10000})
	began := time.Now()
	for i := range 50 {
		a.Tell(Event{Kind: Regret, Text: fmt.Sprint(i), SHA256: [32]byte{byte(i + 1)}}.finished())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("telling took %s", took)
	}
	await(t, "delivery to the other one", func() bool { return len(good.got()) == 50 })
	await(t, "dropping", func() bool { return a.counted("bad", "dropped") == 47 })
}

// syslogServer receives messages on a stream, framed by octet counting.
func syslogServer(t *testing.T, l net.Listener) func() []string {
	t.Helper()
	var mu sync.Mutex
	var got []string
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					var n int
					if _, err := fmt.Fscanf(r, "%d ", &n); err != nil || n > 1<<20 {
						return
					}
					b := make([]byte, n)
					if _, err := io.ReadFull(r, b); err != nil {
						return
					}
					mu.Lock()
					got = append(got, string(b))
					mu.Unlock()
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), got...)
	}
}

func TestSyslogOverEveryTransport(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	https := httptest.NewUnstartedServer(nil)
	https.StartTLS()
	t.Cleanup(https.Close)
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: https.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unix, err := net.ListenPacket("unixgram", filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := net.Listen("unix", filepath.Join(dir, "stream"))
	if err != nil {
		t.Fatal(err)
	}
	sinks := []Sink{
		{Name: "tcp", Syslog: "tcp://" + tcp.Addr().String(), Facility: 20}, {Name: "tls", Syslog: "tls://" + secure.Addr().String(), Roots: roots, Facility: 20},
		{Name: "udp", Syslog: "udp://" + udp.LocalAddr().String(), Facility: 20}, {Name: "unix", Syslog: "unix://" + filepath.Join(dir, "log"), Facility: 20},
		{Name: "stream", Syslog: "unix://" + filepath.Join(dir, "stream"), Facility: 20},
	}
	received := map[string]func() []string{"tcp": syslogServer(t, tcp), "tls": syslogServer(t, secure), "stream": syslogServer(t, stream), "udp": datagrams(t, udp), "unix": datagrams(t, unix)}
	a := running(t, Options{Host: "gate.example", Version: "1"}, sinks...)
	a.Tell(regretted())
	for name, got := range received {
		await(t, name, func() bool { return len(got()) == 2 })
		for i, want := range []string{"src=10.1.2.3 ", "c6a2=2001:db8::1 "} {
			if m := got()[i]; !strings.HasPrefix(m, "<162>1 2026-11-23T12:00:00.123Z gate.example sallyport ") || !strings.Contains(m, " regret - CEF:0|Sallyport|") || !strings.Contains(m, want) {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
}

func datagrams(t *testing.T, c net.PacketConn) func() []string {
	var mu sync.Mutex
	var got []string
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			mu.Lock()
			got = append(got, string(b[:n]))
			mu.Unlock()
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), got...)
	}
}

// A syslog server that was restarted gets what follows, and one whose certificate nobody vouches for gets nothing.
func TestSyslogComesBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	conns := make(chan net.Conn, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	a := running(t, Options{}, Sink{Name: "siem", Syslog: "tcp://" + address})
	a.Tell(Event{Kind: Regret, Text: "first", SHA256: [32]byte{1}}.finished())
	first := <-conns
	await(t, "delivery", func() bool { return a.counted("siem", "sent") == 1 })
	l.Close()
	first.Close()
	a.Tell(Event{Kind: Regret, Text: "second", SHA256: [32]byte{2}}.finished())
	await(t, "an attempt", func() bool { return a.counted("siem", "failed") > 0 || a.counted("siem", "sent") == 2 })
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("the port was taken meanwhile: %v", err)
	}
	got := syslogServer(t, again)
	a.Tell(Event{Kind: Regret, Text: "third", SHA256: [32]byte{3}}.finished())
	await(t, "delivery after the restart", func() bool { return strings.Contains(strings.Join(got(), "\n"), "msg=third") })

	strangers := httptest.NewTLSServer(nil)
	defer strangers.Close()
	s, err := newSyslog(&Sink{Syslog: "tls://" + strangers.Listener.Addr().String()}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := regretted()
	var unknown x509.UnknownAuthorityError
	if err := s.carry(t.Context(), &e); !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}

// Errors name neither the host nor the address of a sink, be it there or not.
func TestErrorsDoNotSayWhereASinkIs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	named := httptest.NewTLSServer(nil)
	defer named.Close()
	named.Config.ErrorLog = nil
	roots := x509.NewCertPool()
	roots.AddCert(named.Certificate())
	port := named.Listener.Addr().(*net.TCPAddr).Port
	for _, s := range []Sink{
		{Webhook: "http://" + closed + "/x"}, {Webhook: "https://siem.invalid/x"}, {Syslog: "tcp://" + closed}, {Syslog: "tls://siem.invalid:6514"},
		{Syslog: fmt.Sprintf("tls://localhost:%d", port), Roots: roots}, {Webhook: fmt.Sprintf("https://localhost:%d/x", port), Roots: roots},
	} {
		c, err := s.carrier(Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := regretted()
		err = c.carry(t.Context(), &e)
		c.close()
		if err == nil || strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "siem") || strings.Contains(err.Error(), "localhost") || strings.Contains(err.Error(), "::1") {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// What is told while the proxy stops waits on disk for the next start, and nothing waits for a server that takes nothing.
func TestWhatIsToldAtTheEndIsNotLost(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "log")) // nobody accepts, and nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := Options{Dir: t.TempDir()}
	a, err := New([]Sink{{Name: "siem", Syslog: "unix://" + filepath.Join(dir, "log"), Rate: 10000}}, o)
	if err != nil {
		t.Fatal(err)
	}
	tell := func(n int) {
		e := regretted()
		e.Record = fmt.Sprint(n)
		for len(e.Clients) < MaxClients {
			e.Clients = append(e.Clients, e.Clients[0])
		}
		a.Tell(e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { a.Run(ctx); close(done) }()
	for i := range 60 {
		tell(i)
	}
	await(t, "taking", func() bool { return len(a.sinks[0].intake) == 0 && a.sinks[0].queue.len() > 0 })
	cancel()
	select {
	case <-done:
	case <-time.After(patience / 2):
		t.Fatal("stopping waits for a server that takes nothing")
	}
	sent := int(a.counted("siem", "sent"))
	tell(61)
	a.Close()
	files, err := os.ReadDir(filepath.Join(o.Dir, "siem"))
	if err != nil || len(files) != 61-sent {
		t.Errorf("%d events wait, %d were sent: %v", len(files), sent, err)
	}
}
