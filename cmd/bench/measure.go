package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// measurement compares sallyport with a peer, or with an absolute aim where there is none.
type measurement struct {
	name  string
	group *group
	unit  string
	aim   string
	ours  func(context.Context, *stage, int) (float64, error)
	peer  func(context.Context, *stage, int) (float64, error) // nil: an absolute figure
	once  bool                                                // one round is enough
	need  []string                                            // programs without which it is left out
}

// group is measurements that need the same preparation.
type group struct {
	name    string
	prepare func(*stage, context.Context) error
}

var (
	proxying = &group{"proxy", (*stage).startParts}
	inside   = &group{"inside", (*stage).prepareInside}
	tools    = &group{"tools", (*stage).prepareTools}
	library  = &group{"frameworks", (*stage).prepareFrameworks}
)

var measurements = slices.Concat(of(proxying, overNetwork), of(inside, ofContents), of(tools, besideTools), of(library, besideLibraries))

// of puts measurements into a group.
func of(g *group, list []measurement) []measurement {
	for i := range list {
		list[i].group = g
	}
	return list
}

var overNetwork = []measurement{
	{name: "idle, resident", unit: "MiB", aim: "< 60", once: true, ours: func(_ context.Context, s *stage, _ int) (float64, error) { return residentMiB(s.proxy) }},
	{name: "tunnel, 1 GiB; peer goproxy", unit: "MiB/s", aim: ">= 0.9",
		ours: throughput(proxyAddr, tunnelHost, "/stream?size=1073741824"), peer: throughput(peerAddr, tunnelHost, "/stream?size=1073741824")},
	{name: "inspected pass-through, 1 GiB, h1; peer goproxy", unit: "MiB/s", aim: ">= 0.85",
		ours: throughput(proxyAddr, originHost, "/stream?size=1073741824"), peer: throughput(peerAddr, originHost, "/stream?size=1073741824")},
	{name: "first fetch, 100 MB at 100 Mbit/s; peer direct", unit: "s", aim: "<= 1.1",
		ours: seconds(proxyAddr, "/100m.exe?rate=12500000", total), peer: seconds("", "/100m.exe?rate=12500000", total)},
	{name: "the same: origin's last byte to client's first", unit: "ms", aim: "< 150", ours: lastToFirst},
	{name: "first fetch, 1 GiB listed by digest; peer direct", unit: "s", aim: "<= 4.5",
		ours: seconds(proxyAddr, "/1g.zip?", total), peer: seconds("", "/1g.zip?", total)},
	{name: "first fetch, 1 GiB signed PE; peer direct", unit: "s", aim: "<= 4.5",
		ours: seconds(proxyAddr, "/1g.exe?", total), peer: seconds("", "/1g.exe?", total)},
	{name: "for comparison: sha256sum of that 1 GiB", unit: "s", ours: hashAlone},
	{name: "processor, 1 GiB by digest; peer goproxy + SHA-256", unit: "s", aim: "<= 1.5",
		ours: processor(proxyAddr, "/1g.zip?"), peer: processor(peerAddr, "/1g.zip?hash&")},
	{name: "processor, 1 GiB signed PE; peer goproxy + SHA-256", unit: "s", aim: "<= 1.5",
		ours: processor(proxyAddr, "/1g.exe?"), peer: processor(peerAddr, "/1g.exe?hash&")},
	{name: "released item, first byte", unit: "ms", aim: "< 5", ours: firstByte},
	{name: "released item, 1 GiB; peer net/http direct", unit: "MiB/s", aim: ">= 0.9",
		ours: throughput(proxyAddr, originHost, "/1g.exe?etag=1"), peer: throughput("", originHost, "/1g.exe?etag=1")},
	{name: "64 transfers of 128 MiB, resident for each", unit: "MiB", aim: "< 1", once: true, ours: transfers},
	{name: "500 clients, one 5 MB update: fetches", unit: "", aim: "1", once: true, ours: crowd},
	{name: "the same: examinations", unit: "", aim: "1", once: true, ours: examinations},
}

// measure runs a measurement's rounds, ours and the peer's in turn, and prints their medians and the ratio's.
func (s *stage) measure(ctx context.Context, m measurement) error {
	for _, program := range m.need {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Printf("%-52s left out: %s is not installed\n", m.name, program)
			return nil
		}
	}
	if !s.prepared[m.group] {
		if err := m.group.prepare(s, ctx); err != nil {
			return fmt.Errorf("preparing: %w", err)
		}
		s.prepared[m.group] = true
	}
	rounds := s.rounds
	if m.once {
		rounds = 1
	}
	var ours, peers, ratios []float64
	for i := range rounds {
		a, err := m.ours(ctx, s, i)
		if err != nil {
			return err
		}
		ours = append(ours, a)
		if m.peer != nil {
			b, err := m.peer(ctx, s, i)
			if err != nil {
				return fmt.Errorf("the peer: %w", err)
			}
			peers, ratios = append(peers, b), append(ratios, a/b)
		}
	}
	peer, ratio := "", ""
	if m.peer != nil {
		peer, ratio = fmt.Sprintf("%.3g", median(peers)), fmt.Sprintf("%.2f", median(ratios))
	}
	fmt.Printf("%-52s %10s %10s %8s %8s\n", m.name, strings.TrimSpace(fmt.Sprintf("%.3g %s", median(ours), m.unit)), peer, ratio, m.aim)
	return nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// timing is what curl says of one download.
type timing struct{ first, total, bytes float64 } // seconds, seconds, bytes

func total(t timing) float64 { return t.total }

// download runs curl, through the proxy at an address or, with none, straight to the origin.
func (s *stage) download(ctx context.Context, proxy, host, path string) (timing, error) {
	args := []string{"-sS", "--fail", "--http1.1", "--cacert", s.clientCA, "-o", os.DevNull, "-w", "%{time_starttransfer} %{time_total} %{size_download}"}
	target := "https://" + host + path
	if proxy != "" {
		args = append(args, "--proxy", "http://"+proxy)
	} else {
		target = "https://" + host + ":" + strings.Split(originAddr, ":")[1] + path
		args = append(args, "--noproxy", "*", "--resolve", host+":"+originAddr[strings.LastIndex(originAddr, ":")+1:]+":127.0.0.1")
	}
	cmd := exec.CommandContext(ctx, "curl", append(args, target)...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return timing{}, fmt.Errorf("fetching %s: %w", target, err)
	}
	var t timing
	_, err = fmt.Sscan(string(out), &t.first, &t.total, &t.bytes)
	return t, err
}

func throughput(proxy, host, path string) func(context.Context, *stage, int) (float64, error) {
	return func(ctx context.Context, s *stage, i int) (float64, error) {
		if i == 0 {
			if _, err := s.download(ctx, proxy, host, path); err != nil { // warm up; the first fetch of an item is not what counts
				return 0, err
			}
		}
		t, err := s.download(ctx, proxy, host, path)
		return t.bytes / mib / t.total, err
	}
}

var fresh int

// unseen makes a path that no cache has seen.
func unseen(path string) string {
	fresh++
	sep := "&"
	if strings.HasSuffix(path, "?") || strings.HasSuffix(path, "&") {
		sep = ""
	}
	return path + sep + "unseen=" + strconv.Itoa(fresh)
}

func seconds(proxy, path string, of func(timing) float64) func(context.Context, *stage, int) (float64, error) {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		t, err := s.download(ctx, proxy, originHost, unseen(path))
		return of(t), err
	}
}

// lastToFirst is how much later a client gets its first byte than the origin sends its last, which is when a direct
// download of the same speed ends.
func lastToFirst(ctx context.Context, s *stage, _ int) (float64, error) {
	direct, err := s.download(ctx, "", originHost, "/100m.exe?rate=12500000")
	if err != nil {
		return 0, err
	}
	held, err := s.download(ctx, proxyAddr, originHost, unseen("/100m.exe?rate=12500000"))
	return (held.first - direct.total) * 1000, err
}

// hashAlone is how long the machine takes for the one thing that every held update needs.
func hashAlone(ctx context.Context, s *stage, _ int) (float64, error) {
	began := time.Now()
	err := exec.CommandContext(ctx, "sha256sum", filepath.Join(s.dir, "files", "1g.exe")).Run()
	return time.Since(began).Seconds(), err
}

func firstByte(ctx context.Context, s *stage, i int) (float64, error) {
	client, err := s.client(proxyAddr)
	if err != nil {
		return 0, err
	}
	defer client.CloseIdleConnections()
	var took time.Duration
	for range 3 { // the first makes the connection and, once in a while, the record; the last is the figure
		began := time.Now()
		resp, err := client.Get("https://" + originHost + "/5m.exe?etag=2")
		if err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
			return 0, err
		}
		took = time.Since(began)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return 0, err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("status %s", resp.Status)
		}
	}
	return float64(took.Microseconds()) / 1000, nil
}

func processor(proxy, path string) func(context.Context, *stage, int) (float64, error) {
	return func(ctx context.Context, s *stage, _ int) (float64, error) {
		part := s.peer
		if proxy == proxyAddr {
			part = s.proxy
		}
		before, err := cpuSeconds(part)
		if err != nil {
			return 0, err
		}
		if _, err := s.download(ctx, proxy, originHost, unseen(path)); err != nil {
			return 0, err
		}
		after, err := cpuSeconds(part)
		return after - before, err
	}
}

// client is an HTTP client that goes through a proxy.
func (s *stage) client(proxy string) (*http.Client, error) {
	pem, err := os.ReadFile(s.clientCA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: proxy}),
		TLSClientConfig: &tls.Config{RootCAs: roots}, DisableCompression: true,
	}}, nil
}

// transfers holds 64 slow downloads at once and says how much memory each of them takes.
func transfers(ctx context.Context, s *stage, _ int) (float64, error) {
	idle, err := residentMiB(s.proxy)
	if err != nil {
		return 0, err
	}
	const n = 64
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan error, n)
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := s.download(ctx, proxyAddr, originHost, fmt.Sprintf("/128m.exe?rate=4000000&transfer=%d", i)); err != nil && ctx.Err() == nil {
				failed <- err
			}
		}()
	}
	most := 0.0
	for range 40 {
		time.Sleep(250 * time.Millisecond)
		now, err := residentMiB(s.proxy)
		if err != nil {
			return 0, err
		}
		most = max(most, now)
	}
	cancel()
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	return (most - idle) / n, s.settle()
}

// settle waits until the proxy has ended what it goes on with after its clients have left.
func (s *stage) settle() error {
	for range 240 {
		flights, err := s.metric("sallyport_flights")
		if err != nil || flights == 0 {
			return err
		}
		time.Sleep(500 * time.Millisecond)
	}
	return errors.New("the proxy is still busy two minutes after its clients have left")
}

var before float64

// crowd lets 500 clients ask for one update at once, and returns how often the origin was asked for it.
func crowd(ctx context.Context, s *stage, _ int) (float64, error) {
	var err error
	if before, err = s.metric("sallyport_verdict_seconds_count"); err != nil {
		return 0, err
	}
	count := func() (float64, error) {
		out, err := exec.CommandContext(ctx, "curl", "-sSf", "--noproxy", "*", "--cacert", s.clientCA, "--resolve",
			originHost+":18443:127.0.0.1", "https://"+originHost+":18443/fetches?path=/5m.exe").Output()
		if err != nil {
			return 0, err
		}
		return strconv.ParseFloat(string(out), 64)
	}
	asked, err := count()
	if err != nil {
		return 0, err
	}
	client, err := s.client(proxyAddr)
	if err != nil {
		return 0, err
	}
	defer client.CloseIdleConnections()
	target := "https://" + originHost + unseen("/5m.exe?rate=2000000")
	var wg sync.WaitGroup
	failed := make(chan error, 500)
	for range 500 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			resp, err := client.Get(target)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err == nil && resp.StatusCode != http.StatusOK {
					err = errors.New(resp.Status)
				}
			}
			if err != nil {
				failed <- err
			}
		}()
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	now, err := count()
	return now - asked, err
}

func examinations(_ context.Context, s *stage, _ int) (float64, error) {
	now, err := s.metric("sallyport_verdict_seconds_count")
	return now - before, err
}

// metric reads one figure from the console.
func (s *stage) metric(name string) (float64, error) {
	resp, err := http.Get("http://" + consoleAddr + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}
