package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap/zapcore"
)

// maxConfig is the largest configuration file that is read, in bytes.
const maxConfig = 1 << 20

// config is the configuration file. Every key has a default, so that no file is needed. File names in it are relative
// to the file itself. The keys are documented for operators in configs/sallyport.yaml.
type config struct {
	// Listen is the address of the explicit proxy, host:port.
	Listen hostPort `yaml:"listen"`
	// Console is the address of the health, metrics and auditors' pages, host:port; "off" for none.
	Console hostPort `yaml:"console"`
	// ConsoleHosts are names, besides localhost and IP addresses, by which the console may be asked; others are
	// refused, since a page elsewhere could have its name lead here (DNS rebinding).
	ConsoleHosts []string `yaml:"console_hosts"`
	// State is the directory of the CA, the log, the vault and what the policy remembers; "" means $SALLYPORT_STATE
	// or the user's state directory.
	State string `yaml:"state"`
	// Policy is the policy file; "" means the built-in one.
	Policy string `yaml:"policy"`
	// Log is about the operational log, which is not the audit log.
	Log logConfig `yaml:"log"`
	// CA is about the certificates that clients see.
	CA caConfig `yaml:"ca"`
	// Upstream is about the connections to origins.
	Upstream upstreamConfig `yaml:"upstream"`
	// Auth asks clients for credentials.
	Auth authConfig `yaml:"auth"`
	// Approvers are the people whose word counts where the policy asks for several.
	Approvers approversConfig `yaml:"approvers"`
	// Alerts are where others are told at once of what happens.
	Alerts []alertConfig `yaml:"alerts"`
	// Trust replaces built-in trust roots.
	Trust trustConfig `yaml:"trust"`
	// Limits bounds what clients and origins may use.
	Limits limitsConfig `yaml:"limits"`
	// Timeouts bounds how long they may take.
	Timeouts timeoutsConfig `yaml:"timeouts"`
	// ShutdownGrace is how long downloads in flight may go on after the signal to stop; default 30s.
	ShutdownGrace duration `yaml:"shutdown_grace"`

	now              func() time.Time // the clock; nil means time.Now
	confirmLoosening string           // who puts the policy in force although it loosens; empty: nobody
}

// clock returns the time.
func (c config) clock() time.Time {
	if c.now == nil {
		return time.Now()
	}
	return c.now()
}

type logConfig struct {
	// Level is the least severe level that is written: debug, info, warn or error; default info.
	Level logLevel `yaml:"level"`
	// Format is json (default) or console.
	Format logFormat `yaml:"format"`
}

type caConfig struct {
	// Cert is a PEM file with an intermediate CA of one's own PKI, and its chain; "" means our own. Goes with Key.
	Cert string `yaml:"cert"`
	// Key is the PEM file with the private key of Cert.
	Key string `yaml:"key"`
	// NameConstraints makes a new CA of our own good for the hosts that the policy inspects and no others; default
	// false. The CA has to be rotated when the policy inspects more hosts.
	NameConstraints bool `yaml:"name_constraints"`
}

type upstreamConfig struct {
	// Roots are PEM files with roots that origins may chain to, besides the system's.
	Roots []string `yaml:"roots"`
	// Proxy is the URL of a parent proxy; "" means what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.
	Proxy proxyURL `yaml:"proxy"`
	// ProxyResolves leaves names that cannot be resolved here to the parent proxy, unchecked; default false: they
	// are refused.
	ProxyResolves bool `yaml:"proxy_resolves"`
	// HTTP2 offers HTTP/2 to origins; default false, which carries bulk at less cost.
	HTTP2 bool `yaml:"http2"`
	// AllowPrivate are CIDRs, addresses or host names that may be reached although loopback, link-local or private.
	AllowPrivate []string `yaml:"allow_private"`
	// Resolve maps a host to the address[:port] that is dialled for it instead of asking DNS; TLS still verifies the
	// host name.
	Resolve map[string]string `yaml:"resolve"`
}

type authConfig struct {
	// Htpasswd is a file of user:bcrypt-hash lines; set, the proxy answers 407 to those who are not in it.
	Htpasswd string `yaml:"htpasswd"`
}

type trustConfig struct {
	// CodeSigning is a PEM file with the roots for code-signing certificates; "" means the built-in set.
	CodeSigning string `yaml:"code_signing"`
	// Timestamping is a PEM file with the roots for timestamps; "" means the built-in set.
	Timestamping string `yaml:"timestamping"`
}

type limitsConfig struct {
	// Update is the largest update that is held; larger ones are refused; default 8GiB.
	Update byteSize `yaml:"update"`
	// Vault is how much disk all items may take; default 50GiB.
	Vault byteSize `yaml:"vault"`
	// Quarantine is how much of Vault quarantined items may take; default a quarter of it.
	Quarantine byteSize `yaml:"quarantine"`
	// Client is how much of Vault the undecided downloads of one client may take; default a quarter of it.
	Client byteSize `yaml:"client"`
	// Connections is how many client connections are served at once; default 4096.
	Connections int `yaml:"connections"`
	// ClientConnections is how many of them one client may have; default a quarter of Connections, at least 16.
	ClientConnections int `yaml:"client_connections"`
	// Header is the largest request header that is accepted; default 64KiB.
	Header byteSize `yaml:"header"`
}

type timeoutsConfig struct {
	// Header is how long a client may take to send a request header; default 20s.
	Header duration `yaml:"header"`
	// Idle is how long a client connection is kept open without a request; default 2m.
	Idle duration `yaml:"idle"`
	// Handshake is how long TLS may take, with clients and with origins; default 10s.
	Handshake duration `yaml:"handshake"`
	// Upload is how long a client may send nothing in the middle of a request body; default 1m.
	Upload duration `yaml:"upload"`
	// Client is how long a client may take nothing of an answer; default 2m.
	Client duration `yaml:"client"`
	// Connect is how long resolving and connecting to an origin may take; default 10s.
	Connect duration `yaml:"connect"`
	// Response is how long an origin may take to begin its answer; default 2m.
	Response duration `yaml:"response"`
	// Body is how long an origin may send nothing in the middle of a body; default 2m.
	Body duration `yaml:"body"`
	// Tunnel is how long a tunnel may carry nothing in either direction; default 15m.
	Tunnel duration `yaml:"tunnel"`
	// Update is how long fetching and examining one update may take, with or without its client; default 2h.
	Update duration `yaml:"update"`
	// Examine is how long one verifier may take over one update; default 1m.
	Examine duration `yaml:"examine"`
}

func defaultConfig() config {
	return config{
		Listen:  "127.0.0.1:3128",
		Console: "127.0.0.1:8640",
		Log:     logConfig{Level: logLevel(zapcore.InfoLevel), Format: "json"},
		Limits: limitsConfig{
			Update: 8 << 30, Vault: 50 << 30, Connections: 4096, Header: 64 << 10,
		},
		Timeouts: timeoutsConfig{
			Header:    duration(20 * time.Second),
			Idle:      duration(2 * time.Minute),
			Handshake: duration(10 * time.Second),
			Upload:    duration(time.Minute),
			Client:    duration(2 * time.Minute),
			Connect:   duration(10 * time.Second),
			Response:  duration(2 * time.Minute),
			Body:      duration(2 * time.Minute),
			Tunnel:    duration(15 * time.Minute),
			Update:    duration(2 * time.Hour),
			Examine:   duration(time.Minute),
		},
		ShutdownGrace: duration(30 * time.Second),
	}
}

// loadConfig reads the configuration file at path; "" means the defaults. The error names everything that is wrong
// with the file, a line each.
func loadConfig(path string) (config, error) {
	c := defaultConfig()
	if path == "" {
		c.fill()
		return c, nil
	}
	data, err := readSmall(path, maxConfig)
	if err != nil {
		return config{}, fmt.Errorf("reading configuration: %w", err)
	}
	p := decodeStrict(path, data, &c)
	c.check(p)
	if err := p.err(); err != nil {
		return config{}, advise(err, "configs/sallyport.yaml in the sources shows every key and its default")
	}
	c.fill()
	c.relativeTo(filepath.Dir(path))
	return c, nil
}

// check holds what no single value can tell.
func (c *config) check(p *problems) {
	switch {
	case c.CA.Cert != "" && c.CA.Key == "":
		p.add("ca.cert", "a certificate of one's own needs its key: set ca.key too")
	case c.CA.Key != "" && c.CA.Cert == "":
		p.add("ca.key", "a key of one's own needs its certificate: set ca.cert too")
	}
	if c.CA.Cert != "" && c.CA.NameConstraints {
		p.add("ca.name_constraints", "only our own CA can be given name constraints, not the one in ca.cert")
	}
	c.checkAlerts(p)
	if c.Listen == "" {
		p.add("listen", `the proxy needs an address to listen on; "off" is for the console only`)
	}
	if c.Limits.Connections < 1 {
		p.add("limits.connections", "at least one connection must be allowed")
	}
	if c.Limits.ClientConnections < 0 {
		p.add("limits.client_connections", "must not be negative")
	}
	if c.Limits.Update > c.Limits.Vault {
		p.add("limits.update", "an update as large as limits.update would not fit into limits.vault")
	}
	if c.Limits.Quarantine > c.Limits.Vault {
		p.add("limits.quarantine", "must not be more than limits.vault, of which it is a part")
	}
	if c.Limits.Client > c.Limits.Vault {
		p.add("limits.client", "must not be more than limits.vault, of which it is a part")
	}
	if c.Limits.Header < 4<<10 || c.Limits.Header > 1<<20 {
		p.add("limits.header", "must be between 4KiB and 1MiB")
	}
}

// fill sets the defaults that depend on other values.
func (c *config) fill() {
	if c.Limits.Quarantine == 0 {
		c.Limits.Quarantine = c.Limits.Vault / 4
	}
	if c.Limits.Client == 0 {
		c.Limits.Client = c.Limits.Vault / 4
	}
	if c.Limits.ClientConnections == 0 {
		c.Limits.ClientConnections = max(c.Limits.Connections/4, 16)
	}
}

// relativeTo makes the file names absolute that the file gives relative to its own folder.
func (c *config) relativeTo(dir string) {
	names := []*string{&c.State, &c.Policy, &c.CA.Cert, &c.CA.Key, &c.Auth.Htpasswd, &c.Trust.CodeSigning, &c.Trust.Timestamping}
	names = append(names, &c.Approvers.Htpasswd)
	for i := range c.Alerts {
		names = append(names, &c.Alerts[i].WebhookFile, &c.Alerts[i].TokenFile, &c.Alerts[i].CA)
	}
	for i := range c.Upstream.Roots {
		names = append(names, &c.Upstream.Roots[i])
	}
	for _, name := range names {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	}
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("file is larger than " + byteSize(limit).String())}
	}
	return data, nil
}
