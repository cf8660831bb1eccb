package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/formats"
)

// build puts the proxy together: upstream, gate, server.
func (r *running) build() (err error) {
	c := r.config
	if err = r.openAlerts(); err != nil {
		return err
	}
	if r.upstream, err = buildUpstream(c, r.listeners.own); err != nil {
		return err
	}
	trust, err := loadTrust(c.Trust.or(r.owner.dir))
	if err != nil {
		return err
	}
	if err = r.openRevocations(); err != nil {
		return err
	}
	if err = r.openFeeds(); err != nil {
		return err
	}
	if err = r.owner.dir.emptySpool(); err != nil {
		return err
	}
	r.catchUp()
	ex := examiner(c, r.logger)
	ex.Limits.Dir = r.owner.dir.spool()
	if r.lookups, err = openLookups(r.owner.dir, r.upstream, false, c.now, r.metrics.WatchLookups()); err != nil {
		return err
	}
	asked := inquirer(r.owner.dir, r.owner.ledger, r.owner.reports)
	asked.Lookup = r.lookups.ask
	asked.Scan = r.openScanners(ex).Scan
	r.gate, err = proxy.NewGate(proxy.GateOptions{
		Policy: r.policy.current.Load, Upstream: r.upstream, Vault: r.owner.vault, Append: r.owner.append,
		Examiner: ex, Trust: trust, Revocations: r.revocations, Feeds: r.feeds.View, Memory: r.owner.memory, Releases: r.owner.releases, Open: r.owner.recalled.any,
		Metrics: r.metrics, Logger: r.logger.Named("gate"),
		Inquirer: asked, Advance: r.owner.advance,
		MaxUpdate: int64(c.Limits.Update), Budget: time.Duration(c.Timeouts.Update), Now: c.now,
	})
	if err != nil {
		return err
	}
	r.refreshers = proxy.NewRefreshers(r.gate)
	r.policy.enforced = r.refreshers.Wake
	if r.users, err = loadUsers(c.Auth.Htpasswd, r.logger); err != nil {
		return err
	}
	r.server, err = proxy.New(proxy.Options{
		Gate: r.gate, Rules: r.gate.Rules, Certificate: r.ca.Certificate, DialTunnel: r.upstream.DialTunnel,
		Append: r.owner.append, CA: r.ca.PEM, Credentials: r.users.credentials(), Limits: buildLimits(c),
		Metrics: r.metrics, Logger: r.logger.Named("proxy"),
	})
	return err
}

func buildLimits(c config) proxy.Limits {
	return proxy.Limits{
		Connections: c.Limits.Connections, PerClient: c.Limits.ClientConnections, HeaderBytes: int(c.Limits.Header),
		HeaderRead: time.Duration(c.Timeouts.Header), Idle: time.Duration(c.Timeouts.Idle),
		Handshake: time.Duration(c.Timeouts.Handshake), BodyRead: time.Duration(c.Timeouts.Upload),
		WriteStall: time.Duration(c.Timeouts.Client), TunnelIdle: time.Duration(c.Timeouts.Tunnel),
		Dial: time.Duration(c.Timeouts.Connect) + time.Duration(c.Timeouts.Handshake),
	}
}

// buildUpstream makes the way to the origins; own are the addresses that must not be dialled.
func buildUpstream(c config, own func() []net.Addr) (*proxy.Upstream, error) {
	roots, err := proxy.UpstreamRoots(c.Upstream.Roots)
	if err != nil {
		return nil, err
	}
	var parent *url.URL
	if c.Upstream.Proxy != "" {
		if parent, err = url.Parse(string(c.Upstream.Proxy)); err != nil {
			return nil, errors.New("upstream.proxy is no URL")
		}
	}
	return proxy.NewUpstream(proxy.UpstreamOptions{
		Roots: roots, ParentProxy: parent, UseEnvironment: true, ParentResolves: c.Upstream.ProxyResolves,
		AllowPrivate: c.Upstream.AllowPrivate, Resolve: c.Upstream.Resolve, Own: own, HTTP2: c.Upstream.HTTP2,
		DialTimeout: time.Duration(c.Timeouts.Connect), TLSTimeout: time.Duration(c.Timeouts.Handshake),
		HeaderTimeout: time.Duration(c.Timeouts.Response), StallTimeout: time.Duration(c.Timeouts.Body),
	})
}

// examiner runs all formats there are. It is the same for the gate and for `verify`.
func examiner(c config, logger *zap.Logger) *verify.Examiner {
	return &verify.Examiner{
		Verifiers: formats.All(),
		Openers:   formats.Openers(),
		Reviewers: formats.Reviewers(),
		Timeout:   time.Duration(c.Timeouts.Examine),
		Panicked: func(method string, value any, stack []byte) {
			logger.Error("a verifier panicked", zap.String("method", method), zap.String("panic", printable.Text(fmt.Sprint(value), 500)), zap.ByteString("stack", stack))
		},
	}
}
