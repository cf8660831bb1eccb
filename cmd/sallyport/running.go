package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/scan"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/alert"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/proxy/mitm"
)

// running is a proxy that serves.
type running struct {
	config      config
	owner       *owner
	policy      *policyFile
	users       *userFile
	ca          *mitm.Authority
	gate        *proxy.Gate
	server      *proxy.Server
	upstream    *proxy.Upstream
	revocations *proxy.Revocations
	feeds       *policyFeeds
	refreshers  *proxy.Refreshers
	lookups     *lookups
	scanners    *scan.Scanners
	metrics     *proxy.Metrics
	alerts      *alert.Alerts
	early       []audit.Record // that were appended before there were alerts
	console     *http.Server
	control     *http.Server
	listeners   listeners
	logger      *zap.Logger

	policyChanged chan struct{}
	failed        chan error      // the first server that ends although nobody told it to
	behind        bool            // the history is not complete yet
	watched       context.Context // done when stopWatching was called
	stopWatching  context.CancelFunc
	watching      sync.WaitGroup // what stopWatching ends
	stopping      atomic.Bool
}

// start opens the state, puts the policy in force and begins to serve. After an error nothing is left running.
func start(c config, dir stateDir, logger *zap.Logger) (*running, error) {
	first, source, err := readPolicy(c.Policy)
	if err != nil {
		return nil, fmt.Errorf("policy:\n%w", err)
	}
	return startWith(c, dir, logger, first, source)
}

// startWith is start with a policy that was read already, and what it was made of; nil where nobody knows that.
func startWith(c config, dir stateDir, logger *zap.Logger, first *policy.Policy, source *policySource) (_ *running, err error) {
	r := &running{config: c, logger: logger, metrics: proxy.NewMetrics(), policyChanged: make(chan struct{}), failed: make(chan error, 8)}
	defer func() {
		if err != nil {
			r.abandon()
		}
	}()
	if r.owner, err = openOwner(c, dir, logger); err != nil {
		return nil, adviseLocked(err, dir)
	}
	r.owner.told = func(rec audit.Record) { r.early = append(r.early, rec) }
	if r.ca, err = r.owner.authority(); err != nil {
		return nil, err
	}
	if r.listeners, err = openListeners(c, dir); err != nil {
		return nil, err
	}
	if err = r.record(audit.KindStart, startMessage(r.owner.log.Repaired())+replacedRoots(c.Trust.or(dir))); err != nil {
		return nil, err
	}
	r.policy = &policyFile{
		path: c.Policy, append: r.owner.append, metrics: r.metrics, log: logger, loosening: r.owner.loosening, approvals: r.owner.approvals, dir: dir,
	}
	if err = r.policy.start(first, source, c.confirmLoosening); err != nil {
		return nil, err
	}
	if err = r.build(); err != nil {
		return nil, err
	}
	r.observe()
	r.serve()
	return r, r.watch()
}

// startMessage says in a start record what runs, and what the log's end looked like.
func startMessage(repaired string) string {
	version, commit := buildVersion()
	message := "sallyport " + version
	if commit != "" {
		message += " (" + commit + ")"
	}
	if repaired != "" {
		message += "; " + repaired
	}
	return message
}

func (r *running) record(kind audit.Kind, message string) error {
	_, err := r.owner.append(audit.Record{Kind: kind, Message: message})
	return err
}

// observe adds what the metrics ask others for.
func (r *running) observe() {
	r.metrics.WatchLog(r.owner.log.Size)
	r.metrics.WatchVault([]string{"held", "released", "quarantined"}, func(state string) float64 {
		s := r.owner.vault.Stats()
		switch state {
		case "held":
			return float64(s.Held.Bytes)
		case "released":
			return float64(s.Released.Bytes)
		}
		return float64(s.Quarantined.Bytes)
	})
}

// serve begins to answer on all listeners.
func (r *running) serve() {
	version, _ := buildVersion()
	// The console's clients are few and trusted, and slow ones only harm themselves; downloads over the control
	// socket take their time.
	r.console = &http.Server{
		Handler: console.New(console.Options{
			Checks:  r.checks(),
			Metrics: promhttp.HandlerFor(r.metrics.Registry, promhttp.HandlerOpts{}),
			CA:      r.ca.PEM, Proxy: r.proxyAddress(), Hosts: r.config.ConsoleHosts, Version: version,
		}),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: zap.NewStdLog(r.logger.Named("console")),
	}
	operator := r.owner.operator(r.ca.Reload)
	operator.Reloader = r.policy.order
	r.control = &http.Server{
		Handler: console.Control(operator), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: zap.NewStdLog(r.logger.Named("control")),
	}
	begin := func(what string, serve func(net.Listener) error, l net.Listener) {
		go func() {
			if err := serve(l); !errors.Is(err, http.ErrServerClosed) && !r.stopping.Load() {
				r.failed <- fmt.Errorf("serving %s on %s: %w", what, l.Addr(), err)
			}
		}()
	}
	for _, l := range r.listeners.proxy {
		begin("clients", r.server.Serve, l)
	}
	for _, l := range r.listeners.console {
		begin("the console", r.console.Serve, l)
	}
	begin("orders", r.control.Serve, r.listeners.control)
}

// proxyAddress is where the proxy listens.
func (r *running) proxyAddress() string { return reachable(r.listeners.proxy[0].Addr()) }

// watch begins to look for changes of the policy file.
func (r *running) watch() error {
	ctx, cancel := context.WithCancel(context.Background())
	r.watched, r.stopWatching = ctx, cancel
	r.watching.Go(func() { r.revocations.Run(ctx) })
	r.watching.Go(func() { r.refreshers.Run(ctx) })
	r.watching.Go(func() { r.feeds.Run(ctx) })
	r.watching.Go(func() { r.alerts.Run(ctx) })
	r.watching.Go(func() { r.runRegrets(ctx) })
	r.watching.Go(func() { r.remind(ctx) })
	r.watching.Go(func() { r.catchUpBehind(ctx) })
	r.watching.Go(func() { r.gate.Ripening().Run(ctx, r.owner.latestDecision) })
	if r.config.Policy == "" {
		return nil
	}
	return r.policy.watch(ctx, r.policyChanged)
}

// stop ends everything in the order that loses nothing: first no new work, then what is in flight until grace ends,
// then the record of it, then the state.
func (r *running) stop(grace context.Context, why error) error {
	r.stopping.Store(true)
	r.stopWatching()
	if err := r.server.Shutdown(grace); err != nil {
		r.logger.Warn("some connections were cut off", zap.Error(err))
	}
	if err := r.gate.Shutdown(grace); err != nil {
		r.logger.Warn("some fetches did not end in time", zap.Error(err))
	}
	// Orders that are being carried out end; whoever only watches is not waited for.
	if err := r.control.Shutdown(grace); err != nil {
		r.control.Close()
	}
	r.console.Close()
	r.unwatch(grace)
	r.owner.regrets.Finish(grace)
	r.alerts.Close()
	r.upstream.CloseIdle()
	r.closeLookups()
	message := "stopped"
	if why != nil {
		message += ": " + why.Error()
	}
	err := errors.Join(r.record(audit.KindStop, message), r.owner.close())
	if err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	r.logger.Info("stopped")
	return nil
}

// unwatch waits until nothing is refreshed any more, so that the log can be closed.
func (r *running) unwatch(grace context.Context) {
	ended := make(chan struct{})
	go func() {
		r.watching.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-grace.Done():
		r.logger.Warn("refreshing did not end in time")
	}
}

// abandon closes what a start that failed has opened.
func (r *running) abandon() {
	r.stopping.Store(true)
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if r.stopWatching != nil {
		r.stopWatching()
		r.watching.Wait()
	}
	if r.console != nil {
		r.server.Shutdown(now)
		r.control.Close()
		r.console.Close()
	}
	r.listeners.close()
	r.closeLookups()
	if r.owner != nil {
		r.owner.close()
	}
}
