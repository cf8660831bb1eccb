package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/configs"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
	"github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/trust"
)

// drillRange is where attacks are tried: a whole proxy with a state of its own, origins that it takes for the vendors',
// and throw-away keys that it takes for the vendors' as well, in addition to the real ones. Nothing leaves the machine
// and nothing of it outlives the drill.
type drillRange struct {
	*drillKeys
	own    bool // judged by the drill's own policy
	dir    string
	proxy  *running
	policy *policy.Policy
	origin *http.Server
	client *http.Client
	root   *x509.Certificate // of the origins

	mu    sync.Mutex
	serve map[string]http.Handler // by host
}

// drillKeys are the keys that the drill's proxies believe in. They exist in this process only.
type drillKeys struct {
	vendors *authenticodetest.CA // its signers are believed to be whom they say they are
	clock   *authenticodetest.Signer
	archive *apttest.Key // signs for every anchor with a keyring
	frameworks
}

func newDrillKeys() (k *drillKeys, err error) {
	k = &drillKeys{vendors: authenticodetest.NewCA("Sallyport drill, trusted by nobody else")}
	k.clock = k.vendors.TSA("Sallyport drill clock")
	if k.archive, err = apttest.NewKey("Sallyport drill", time.Now().AddDate(-1, 0, 0), 0); err != nil {
		return nil, err
	}
	k.frameworks, err = newFrameworks()
	return k, err
}

// openDrillRange starts the proxy and the origins for the hosts of the attacks. The policy is the one in force, or the
// drill's own.
func openDrillRange(c config, keys *drillKeys, hosts []string, own bool) (*drillRange, error) {
	r := &drillRange{drillKeys: keys, own: own, serve: map[string]http.Handler{}}
	if err := r.open(c, hosts); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *drillRange) open(c config, hosts []string) (err error) {
	if r.dir, err = os.MkdirTemp("", "sallyport-drill-*"); err != nil {
		return fmt.Errorf("making room for the drill: %w", err)
	}
	address, roots, err := r.openOrigin(hosts)
	if err != nil {
		return fmt.Errorf("starting the origins of the drill: %w", err)
	}
	if r.own {
		if err = r.openRepositories(); err != nil { // before the proxy asks for them
			return err
		}
	}
	if r.policy, err = r.readPolicy(c.Policy); err != nil {
		return fmt.Errorf("policy:\n%w", err)
	}
	c, dir, err := r.configure(c, hosts, address, roots)
	if err != nil {
		return err
	}
	if r.proxy, err = startWith(c, dir, zap.NewNop(), r.policy, nil); err != nil {
		return fmt.Errorf("starting the proxy of the drill: %w", err)
	}
	return r.openClient()
}

// configure returns the configuration in force with everything replaced that would leave the machine or the drill.
func (r *drillRange) configure(c config, hosts []string, address, roots string) (config, stateDir, error) {
	own := defaultConfig()
	own.Listen, own.Console, own.Policy = "127.0.0.1:0", "", ""
	own.Upstream.Roots, own.Upstream.AllowPrivate = []string{roots}, []string{"127.0.0.1"}
	own.Upstream.Resolve = map[string]string{}
	for _, h := range append(r.sources(), hosts...) {
		own.Upstream.Resolve[h] = address
	}
	own.Limits, own.Timeouts = c.Limits, c.Timeouts
	signing, stamping, _, err := trust.Embedded()
	if err != nil {
		return config{}, "", err
	}
	if own.Trust.CodeSigning, err = r.writeRoots(codeSigningSet, c.Trust.CodeSigning, signing); err != nil {
		return config{}, "", err
	}
	if own.Trust.Timestamping, err = r.writeRoots(timestampingSet, c.Trust.Timestamping, stamping); err != nil {
		return config{}, "", err
	}
	return own, stateDir(filepath.Join(r.dir, "state")), nil
}

// sources are the hosts from which the policy's anchors take what they rest on, such as the metadata of a TUF repository. The
// origins of the drill, which have nothing of that, are asked instead.
func (r *drillRange) sources() (hosts []string) {
	t := r.policy.Trust(verify.Trust{})
	for _, source := range t.Sources() {
		if u, err := url.Parse(source); err == nil && u.Hostname() != "" {
			hosts = append(hosts, strings.ToLower(u.Hostname()))
		}
	}
	return hosts
}

// writeRoots writes a set of roots and the drill's own: the set of a file, or the built-in one.
func (r *drillRange) writeRoots(name, file string, builtIn trust.Set) (string, error) {
	set := builtIn
	if file != "" {
		var err error
		if set, err = readSet(file); err != nil {
			return "", err
		}
	}
	own, err := trust.NewRoot(r.vendors.Certificate.Raw)
	if err != nil {
		return "", err
	}
	set.Add(own)
	path := filepath.Join(r.dir, name)
	return path, os.WriteFile(path, set.Marshal(""), 0o600)
}

// readPolicy reads the policy in force, and lets the drill's key sign for every anchor that has a keyring.
func (r *drillRange) readPolicy(path string) (*policy.Policy, error) {
	if r.own {
		dir := filepath.Join(r.dir, "policy")
		if err := r.writePolicy(dir, "policy.yaml"); err != nil {
			return nil, err
		}
		return policy.Parse("the drill's own policy", os.DirFS(dir), r.frameworks.policy())
	}
	public, err := r.archive.Public()
	if err != nil {
		return nil, err
	}
	catalogue := policy.WithCatalogue(drillFiles{configs.Files(), public})
	if path == "" {
		data, err := configs.Policy()
		if err != nil {
			return nil, err
		}
		return policy.Parse("built-in "+configs.PolicyName, drillFiles{configs.Files(), public}, data, catalogue)
	}
	data, err := readSmall(path, maxPolicy)
	if err != nil {
		return nil, fmt.Errorf("reading policy: %w", err)
	}
	p, err := policy.Parse(path, drillFiles{newNamedFiles(path), public}, data, catalogue)
	return p, advisePolicy(err)
}

// drillFiles adds a key to every keyring.
type drillFiles struct {
	fs.FS
	public []byte // armoured
}

// Open implements fs.FS.
func (d drillFiles) Open(name string) (fs.File, error) {
	f, err := d.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPolicy))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if with, ok := withKey(data, d.public); ok {
		data = with
	}
	return &memoryFile{Reader: bytes.NewReader(data), info: info}, nil
}

// withKey returns a keyring with one more key; false for what is no keyring.
func withKey(data, public []byte) ([]byte, bool) {
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(data))
	if err != nil {
		if keys, err = openpgp.ReadKeyRing(bytes.NewReader(data)); err != nil || len(keys) == 0 {
			return nil, false
		}
	}
	more, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(public))
	if err != nil {
		return nil, false
	}
	var b bytes.Buffer
	for _, e := range append(keys, more...) {
		if e.Serialize(&b) != nil {
			return nil, false
		}
	}
	return b.Bytes(), true
}

// memoryFile is a file whose content was changed on the way.
type memoryFile struct {
	*bytes.Reader
	info fs.FileInfo
}

// Stat implements fs.File.
func (m *memoryFile) Stat() (fs.FileInfo, error) { return sizedInfo{m.info, m.Size()}, nil }

// Close implements fs.File.
func (m *memoryFile) Close() error { return nil }

type sizedInfo struct {
	fs.FileInfo
	size int64
}

// Size implements fs.FileInfo.
func (i sizedInfo) Size() int64 { return i.size }

// openOrigin serves TLS for all hosts on one address, under a root that only the drill's proxy trusts.
func (r *drillRange) openOrigin(hosts []string) (address, roots string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "Sallyport drill origin"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: hosts,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	if r.root, err = x509.ParseCertificate(der); err != nil {
		return "", "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	r.origin = &http.Server{Handler: http.HandlerFunc(r.answer), ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, ErrorLog: zap.NewStdLog(zap.NewNop())}
	go r.origin.ServeTLS(l, "", "")
	roots = filepath.Join(r.dir, "origin.pem")
	return l.Addr().String(), roots, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// answer is what the origins say.
func (r *drillRange) answer(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	h := r.serve[req.Host]
	r.mu.Unlock()
	if h == nil {
		http.NotFound(w, req)
		return
	}
	h.ServeHTTP(w, req)
}

// at has the origin of a host answer by h.
func (r *drillRange) at(host string, h http.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serve[host] = h
}

func (r *drillRange) openClient() error {
	proxyURL, err := url.Parse("http://" + r.proxy.proxyAddress())
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.proxy.ca.PEM())
	roots.AddCert(r.root) // what is tunnelled is the origin's own TLS
	r.client = &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyURL(proxyURL), TLSClientConfig: &tls.Config{RootCAs: roots}},
		Timeout:   2 * time.Minute,
	}
	return nil
}

// close stops everything and removes what it has written.
func (r *drillRange) close() error {
	var err error
	if r.client != nil {
		r.client.CloseIdleConnections()
	}
	if r.proxy != nil {
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = r.proxy.stop(grace, nil)
	}
	if r.origin != nil {
		r.origin.Close()
	}
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}

// drillAnswer is what a client got.
type drillAnswer struct {
	status  int
	through bool   // the client has the bytes
	problem string // what the proxy said
	record  audit.Record
}

// fetch asks for a URL as a client does, and finds the record of what was decided.
func (r *drillRange) fetch(ctx context.Context, address string, want []byte) (drillAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return drillAnswer{}, err
	}
	req.Header.Set("Accept", "application/problem+json, */*")
	resp, err := r.client.Do(req)
	if err != nil {
		return drillAnswer{}, fmt.Errorf("asking the proxy: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<30))
	if err != nil {
		return drillAnswer{}, fmt.Errorf("reading the proxy's answer: %w", err)
	}
	a := drillAnswer{status: resp.StatusCode, through: bytes.Equal(body, want)}
	var problem struct {
		Title, Detail, Record string
	}
	if strings.Contains(resp.Header.Get("Content-Type"), "problem+json") && json.Unmarshal(body, &problem) == nil {
		a.problem = problem.Title
		if problem.Record == "" {
			a.problem += ": " + problem.Detail
			return a, nil
		}
	}
	return a, r.account(ctx, &a, problem.Record, address)
}

// account finds the record of a decision: by its id, or the newest about the URL.
func (r *drillRange) account(ctx context.Context, a *drillAnswer, id, address string) (err error) {
	logDir := r.proxy.owner.dir.log()
	if id != "" {
		a.record, err = audit.Show(ctx, logDir, id)
		return err
	}
	list, err := audit.List(ctx, logDir, audit.Filter{Kind: audit.KindDecision, Limit: 100})
	if err != nil {
		return err
	}
	for _, rec := range list {
		if rec.Request != nil && rec.Request.URL == address {
			a.record = rec
			return nil
		}
	}
	return nil
}
