package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

// stage is everything that runs during the measurements.
type stage struct {
	dir                 string
	binary              string // sallyport
	rounds              int
	prepared            map[*group]bool
	pki                 *pki
	proxy, peer, origin *exec.Cmd
	clientCA            string // PEM file that clients of either proxy trust
	instance            *sigstoretest.Instance
	crowds              crowds
	asked               int      // unrelated updates
	ending              []func() // what else runs, to be ended
}

const mib = 1 << 20

// newStage builds sallyport.
func newStage(ctx context.Context, binary string, rounds int) (_ *stage, err error) {
	dir, err := os.MkdirTemp("", "sallyport-bench-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, binary: binary, rounds: rounds, prepared: map[*group]bool{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if binary == "" {
		s.binary = filepath.Join(dir, "sallyport")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./cmd/sallyport").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building sallyport: %w\n%s", err, out)
		}
	}
	return s, nil
}

// startParts makes the samples that go through the proxy and starts origin, peer and proxy.
func (s *stage) startParts(ctx context.Context) error {
	if err := s.prepare(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if s.origin, err = s.start(ctx, originAddr, self, "-part", "origin", "-dir", s.dir); err != nil {
		return err
	}
	if s.peer, err = s.start(ctx, peerAddr, self, "-part", "goproxy", "-dir", s.dir); err != nil {
		return err
	}
	s.proxy, err = s.start(ctx, proxyAddr, s.binary, "serve", "--config", filepath.Join(s.dir, "sallyport.yaml"))
	if err != nil {
		return err
	}
	return s.gatherCAs()
}

// start starts a part and waits until it listens.
func (s *stage) start(ctx context.Context, addr, name string, args ...string) (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(s.dir, "log-"+strings.ReplaceAll(addr, ":", "-")))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "SALLYPORT_STATE="+filepath.Join(s.dir, "state-"+strings.ReplaceAll(addr, ":", "-")), "HTTPS_PROXY=", "HTTP_PROXY=", "https_proxy=", "http_proxy=")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return cmd, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	return cmd, fmt.Errorf("%s does not listen on %s:\n%.2000s", filepath.Base(name), addr, text)
}

func (s *stage) close() {
	for _, end := range s.ending {
		end()
	}
	for _, cmd := range []*exec.Cmd{s.proxy, s.peer, s.origin} {
		if cmd != nil && cmd.Process != nil {
			cmd.Process.Signal(os.Interrupt)
			cmd.Wait()
		}
	}
	os.RemoveAll(s.dir)
}

// prepare writes certificates, samples and configuration.
func (s *stage) prepare() error {
	if err := os.MkdirAll(filepath.Join(s.dir, "files"), 0o700); err != nil {
		return err
	}
	if err := writeCertificates(s.dir); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	root := authenticodetest.NewCA("Bench Root")
	signer := root.Issue(authenticodetest.Leaf{Organization: "Bench"})
	if err := writePEM(filepath.Join(s.dir, "codesign.pem"), "CERTIFICATE", root.Certificate.Raw); err != nil {
		return err
	}
	for name, size := range map[string]int{"5m.exe": 5 * mib, "100m.exe": 100 * mib, "128m.exe": 128 * mib, "1g.exe": 1024 * mib} {
		image := authenticodetest.Sign(authenticodetest.BuildPE(authenticodetest.Image{Size: size, Seed: uint64(size)}), authenticodetest.Signature{Signer: signer})
		if err := os.WriteFile(filepath.Join(s.dir, "files", name), image, 0o600); err != nil {
			return err
		}
	}
	listed := append([]byte("PK\x03\x04"), make([]byte, 1024*mib)...)
	if err := os.WriteFile(filepath.Join(s.dir, "files", "1g.zip"), listed, 0o600); err != nil {
		return err
	}
	config := fmt.Sprintf(`listen: %s
console: %s
policy: policy.yaml
log: {level: warn}
upstream:
  roots: [ca.pem]
  allow_private: [127.0.0.0/8]
  resolve: {%s: "%s", %s: "%s"}
trust: {code_signing: codesign.pem}
limits: {vault: 40GiB, client: 20GiB}
`, proxyAddr, consoleAddr, originHost, originAddr, tunnelHost, originAddr)
	policy := `version: 1
defaults: {hosts: inspect, hold_max: 10m}
hosts: {tunnel: [` + tunnelHost + `]}
anchors:
  bench: {authenticode: {organization: Bench}}
  listed: {digest: {sha256: [` + fmt.Sprintf("%x", sha256.Sum256(listed)) + `]}}
channels:
- {name: bench, hosts: [` + originHost + `], paths: ["/*.exe"], require: [{signed_by: [bench]}]}
- {name: listed, hosts: [` + originHost + `], paths: ["/*.zip"], require: [{signed_by: [listed]}]}
`
	if err := os.WriteFile(filepath.Join(s.dir, "sallyport.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "policy.yaml"), []byte(policy), 0o600)
}

// gatherCAs puts the CA of every proxy and of the origin into one file for curl.
func (s *stage) gatherCAs() error {
	ours, err := exec.Command("curl", "-sf", "http://"+proxyAddr+"/ca.pem").Output()
	if err != nil {
		return fmt.Errorf("fetching the proxy's CA: %w", err)
	}
	bench, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		return err
	}
	s.clientCA = filepath.Join(s.dir, "clients.pem")
	return os.WriteFile(s.clientCA, append(bench, ours...), 0o600)
}

// writeCertificates makes a CA and the origin's certificate.
func writeCertificates(dir string) error {
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "bench CA"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano() + 1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		DNSNames: []string{originHost, tunnelHost}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	for name, k := range map[string]*ecdsa.PrivateKey{"ca.key": caKey, "origin.key": key} {
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			return err
		}
		if err := writePEM(filepath.Join(dir, name), "EC PRIVATE KEY", der); err != nil {
			return err
		}
	}
	return errors.Join(writePEM(filepath.Join(dir, "ca.pem"), "CERTIFICATE", caDER), writePEM(filepath.Join(dir, "origin.pem"), "CERTIFICATE", leafDER))
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// cpuSeconds returns the processor time that a process has used.
func cpuSeconds(cmd *exec.Cmd) (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The fields after the command's name, which is in parentheses: utime and stime are the 14th and 15th of all.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	const ticks = 100 // per second, on every Linux that Go runs on
	return (user + system) / ticks, errors.Join(err1, err2)
}

// residentMiB returns a process's resident memory.
func residentMiB(cmd *exec.Cmd) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 64)
			return n / 1024, err
		}
	}
	return 0, errors.New("no VmRSS in /proc")
}
