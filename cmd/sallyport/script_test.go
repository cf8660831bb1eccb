package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// The scripts below testdata/script run the real program end to end.

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// Nothing of the machine that runs the tests may show.
			e.Setenv("HOME", e.Getenv("WORK")+"/home")
			e.Setenv("SALLYPORT_STATE", e.Getenv("WORK")+"/state")
			for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy", "XDG_STATE_HOME", "NOTIFY_SOCKET", "SUDO_USER"} {
				e.Setenv(name, "")
			}
			configs, err := filepath.Abs("../../configs")
			e.Setenv("CONFIGS", configs)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": cmdCode, "serve": cmdServe, "stopserver": cmdStopServer, "hangup": cmdHangup, "origin": cmdOrigin, "fetch": cmdFetch,
			"pe": cmdPE, "tufroot": cmdTUFRoot, "expand": cmdExpand, "await": cmdAwait, "setenv": cmdSetenv,
		},
	})
}

// code N sallyport ARG... runs the program and wants exit code N.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "sallyport" {
		ts.Fatalf("usage: code N sallyport ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	cmd := program(ts, args[2:]...)
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	got := 0
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func program(ts *testscript.TestScript, args ...string) *exec.Cmd {
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "sallyport")); err == nil {
			path = filepath.Join(dir, "sallyport")
			break
		}
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "SALLYPORT_STATE", "WORK", "CONFIGS", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

// server is a running `sallyport serve`.
type server struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when stderr has ended
	mu   sync.Mutex
	log  strings.Builder
}

var servers sync.Map // by test script

// serve ARG... starts the proxy on ports of its own and waits until it serves. It sets PROXY and CONSOLE.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"}, args...)
	s := &server{cmd: program(ts, args...), done: make(chan struct{})}
	stderr, err := s.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	servers.Store(ts, s)
	ts.Defer(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	ready := make(chan []string, 1)
	go func() {
		defer close(s.done)
		said := regexp.MustCompile(`proxy on (\S+), console on (\S+)/, state in`)
		for in := bufio.NewScanner(stderr); in.Scan(); {
			s.mu.Lock()
			fmt.Fprintln(&s.log, in.Text())
			s.mu.Unlock()
			if m := said.FindStringSubmatch(in.Text()); m != nil {
				ready <- m[1:]
			}
		}
	}()
	select {
	case where := <-ready:
		ts.Setenv("PROXY", "http://"+where[0])
		ts.Setenv("CONSOLE", where[1])
	case <-s.done:
		s.cmd.Wait()
		ts.Fatalf("the server has ended:\n%s", s.log.String())
	case <-time.After(time.Minute):
		ts.Fatalf("the server does not say that it serves")
	}
}

// stopserver [SIGNAL] stops the proxy and wants exit code 0. What it has logged is the standard error.
func cmdStopServer(ts *testscript.TestScript, neg bool, args []string) {
	v, _ := servers.Load(ts)
	s := v.(*server)
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.done
	err := s.cmd.Wait()
	io.WriteString(ts.Stderr(), s.log.String())
	if err != nil {
		ts.Fatalf("the server ended with %v", err)
	}
}

// hangup sends SIGHUP to the proxy.
func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	v, _ := servers.Load(ts)
	ts.Check(v.(*server).cmd.Process.Signal(syscall.SIGHUP))
}

// await REGEXP waits until the proxy has logged a line that matches.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	v, _ := servers.Load(ts)
	s := v.(*server)
	want := regexp.MustCompile(args[0])
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		found := want.MatchString(s.log.String())
		s.mu.Unlock()
		if found {
			return
		}
	}
	ts.Fatalf("nothing like %s was logged", args[0])
}

// origin DIR serves the files of a folder by http and https and sets ORIGIN and TLSORIGIN to the addresses. The
// certificate is for example.com; its root is put into origin-root.pem.
func cmdOrigin(ts *testscript.TestScript, neg bool, args []string) {
	files := http.FileServer(http.Dir(ts.MkAbs(args[0])))
	plain, secure := httptest.NewServer(files), httptest.NewTLSServer(files)
	ts.Defer(plain.Close)
	ts.Defer(secure.Close)
	ts.Setenv("ORIGIN", plain.Listener.Addr().String())
	ts.Setenv("TLSORIGIN", secure.Listener.Addr().String())
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("origin-root.pem"), root, 0o600))
}

// fetch STATUS URL [FILE] asks for a URL through the proxy, or for a page of the proxy or the console itself, and
// wants that status. Status line, header and body are the standard output; the body goes into FILE.
func cmdFetch(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	transport := &http.Transport{DisableKeepAlives: true}
	if !strings.HasPrefix(args[1], ts.Getenv("PROXY")) && !strings.HasPrefix(args[1], ts.Getenv("CONSOLE")) {
		proxy, err := url.Parse(ts.Getenv("PROXY"))
		ts.Check(err)
		transport.Proxy = http.ProxyURL(proxy)
		pool := x509.NewCertPool()
		ca, _ := os.ReadFile(ts.MkAbs("ca.pem"))
		pool.AppendCertsFromPEM(ca)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	client := &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(args[1])
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), resp.Status)
	resp.Header.Write(ts.Stdout())
	ts.Stdout().Write(body)
	if len(args) > 2 {
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), body, 0o600))
	}
	if resp.StatusCode != want {
		ts.Fatalf("status %d, want %d\n%s", resp.StatusCode, want, body)
	}
}

// pe FILE [TEXT] makes a small Windows program without a signature, and sets SHA256 to its digest.
func cmdPE(ts *testscript.TestScript, neg bool, args []string) {
	text := "nothing to see"
	if len(args) > 1 {
		text = args[1]
	}
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o700))
	b := smallPE(text)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
	ts.Setenv("SHA256", fmt.Sprintf("%x", sha256.Sum256(b)))
}

// smallPE is a PE32+ image with one section (PE Format, Microsoft): DOS header, signature, COFF header, optional
// header with 16 empty directories, section header, and 512 bytes of content.
func smallPE(text string) []byte {
	const peAt, optional, headers, section = 0x80, 240, 0x200, 0x200
	b := make([]byte, headers+section)
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], peAt)
	copy(b[peAt:], "PE\x00\x00")
	coff := b[peAt+4:]
	le.PutUint16(coff[0:], 0x8664)
	le.PutUint16(coff[2:], 1)
	le.PutUint16(coff[16:], optional)
	le.PutUint16(coff[18:], 0x22)
	opt := coff[20:]
	le.PutUint16(opt[0:], 0x20b)
	le.PutUint32(opt[16:], 0x1000)
	le.PutUint64(opt[24:], 0x140000000)
	le.PutUint32(opt[32:], 0x1000)
	le.PutUint32(opt[36:], 0x200)
	le.PutUint32(opt[56:], 0x2000)
	le.PutUint32(opt[60:], headers)
	le.PutUint16(opt[68:], 3)
	le.PutUint32(opt[108:], 16)
	sec := opt[optional:]
	copy(sec, ".text")
	le.PutUint32(sec[8:], section)
	le.PutUint32(sec[12:], 0x1000)
	le.PutUint32(sec[16:], section)
	le.PutUint32(sec[20:], headers)
	le.PutUint32(sec[36:], 0x60000020)
	copy(b[headers:], text)
	return b
}

// tufroot FILE writes root metadata of a TUF repository.
func cmdTUFRoot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tufroot FILE")
	}
	repo, err := tuftest.New(tuftest.Options{At: time.Now(), Seed: ts.Name()})
	ts.Check(err)
	_, err = repo.Publish()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), repo.TrustedRoot(1), 0o600))
}

// expand FILE... replaces $NAME and ${NAME} in files by what the environment of the script has.
func cmdExpand(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		data := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(data), 0o600))
	}
}

// setenv NAME REGEXP sets a variable to what the group in the expression matches in the last output.
func cmdSetenv(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("the output does not match %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func TestServerRefusesAListenerThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var stderr strings.Builder
	code := run([]string{"serve", "--state", filepath.Join(t.TempDir(), "s"), "--listen", l.Addr().String(), "--console", "off"}, nil, io.Discard, &stderr)
	if code != exitError || !strings.Contains(stderr.String(), "--listen ADDR") {
		t.Errorf("exit code %d:\n%s", code, stderr.String())
	}
}
