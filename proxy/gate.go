package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// GateOptions are what a Gate stands on. All fields are needed unless they say otherwise.
type GateOptions struct {
	Policy   func() *policy.Policy // the policy in force
	Upstream http.RoundTripper     // towards the origins: guarded, verifying TLS, following no redirect
	Vault    *quarantine.Vault
	Append   func(audit.Record) (audit.Receipt, error) // the log
	Examiner *verify.Examiner
	Trust    verify.Trust  // what is trusted besides what the policy names
	Memory   verify.Memory // what must never go backwards
	// Revocations are the revocation lists that are fetched on the policy's behalf; nil means none.
	Revocations *Revocations
	// Feeds returns what the policy's feeds say now; nil means that none was ever loaded.
	Feeds    func() *reputation.View
	Releases *Releases // standing releases given by hand
	// Open reports whether updates are opened although the policy does not ask for it: what is recalled may be inside. nil: never.
	Open func() bool
	// Inquirer is whom the gate asks about updates besides; nil means nobody. What it lacks of Feeds, Releases and the like, it
	// gets from here.
	Inquirer *Inquirer
	// Advance has history know of a decision that is in the log, with the report that it was made by, before anybody hears of it;
	// nil where nothing is remembered.
	Advance func(audit.Record, *verify.Report)
	Metrics *Metrics
	Logger  *zap.Logger

	MaxUpdate int64            // bytes of the largest update; 0 means 8 GiB
	Budget    time.Duration    // for fetching and examining one update, with or without its client; 0 means 2 h
	Linger    time.Duration    // how long a verdict waits for a client that was told to try again; 0 means 5 min
	Now       func() time.Time // nil means time.Now
}

// Gate is the http.RoundTripper through which every inspected request goes: it fetches, holds, examines, decides,
// records and only then answers. It never returns an error: what goes wrong becomes a response.
type Gate struct {
	GateOptions
	redirects *redirects
	flights   *flights
	receipts  *receipts
	reports   *reports
	sidecars  *sidecarCache
	turns     turns
	ripening  *Ripening
	trust     atomic.Pointer[trusted]
	// remembered is the memory as it is; verifiers are given one that tells the log what advances it.
	remembered verify.Memory
	work       sync.WaitGroup // flights and delivery records on their way
	closing    context.Context
	close      context.CancelFunc
}

// NewGate returns a Gate, or an error that names the option that is missing.
func NewGate(o GateOptions) (*Gate, error) {
	switch {
	case o.Policy == nil:
		return nil, errors.New("making the gate: no policy")
	case o.Upstream == nil:
		return nil, errors.New("making the gate: no upstream")
	case o.Vault == nil:
		return nil, errors.New("making the gate: no vault")
	case o.Append == nil:
		return nil, errors.New("making the gate: no log")
	case o.Examiner == nil:
		return nil, errors.New("making the gate: no examiner")
	case o.Memory == nil:
		return nil, errors.New("making the gate: no memory")
	case o.Releases == nil:
		return nil, errors.New("making the gate: no store of releases")
	case o.Metrics == nil:
		return nil, errors.New("making the gate: no metrics")
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.MaxUpdate <= 0 {
		o.MaxUpdate = 8 << 30
	}
	if o.Budget <= 0 {
		o.Budget = 2 * time.Hour
	}
	if o.Linger <= 0 {
		o.Linger = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gate{
		GateOptions: o,
		redirects:   newRedirects(o.Now),
		flights:     newFlights(),
		receipts:    newReceipts(o.Now),
		reports:     newReports(),
		sidecars:    newSidecarCache(),
	}
	g.Inquirer = inquirerOf(g)
	g.ripening = newRipening(g)
	g.remembered, g.Memory = o.Memory, learning{o.Memory, g}
	g.closing, g.close = context.WithCancel(context.Background())
	return g, nil
}

// Shutdown ends what goes on without a client, and waits until delivery records are written or ctx is done.
func (g *Gate) Shutdown(ctx context.Context) error {
	g.close()
	done := make(chan struct{})
	go func() {
		g.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for fetches and delivery records: %w", ctx.Err())
	}
}

// RoundTrip implements http.RoundTripper.
func (g *Gate) RoundTrip(req *http.Request) (*http.Response, error) {
	s := sessionOf(req.Context())
	x := &transit{gate: g, req: req, session: s}
	x.ask = policy.Request{
		Client: s.Client, Method: req.Method, URL: req.URL,
		Carried: g.redirects.carriedTo(s.Client, req.URL),
	}
	x.renew()
	x.place = x.locate()
	return x.answer(), nil
}

// HostAction says what to do with a connection of a client to a host: what the policy says, and besides that,
// inspection of hosts to which a channel has just redirected this client.
func (g *Gate) HostAction(c policy.Client, host string) (policy.HostAction, string) {
	action, why := g.Policy().Host(c, host)
	if action == policy.TunnelHost && g.redirects.leadTo(c, host) {
		return policy.InspectHost, "an update channel redirected this client here"
	}
	return action, why
}
