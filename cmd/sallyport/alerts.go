package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/alert"
)

// openAlerts makes what tells others of what happens, and has it listen to the log.
func (r *running) openAlerts() error {
	sinks, err := alertSinks(r.config)
	if err != nil {
		return err
	}
	o := r.owner.alertOptions()
	o.Proxy, o.Warn = parentOf(r.config), r.warnSink
	if len(sinks) == 0 {
		o.Dir = ""
	}
	if r.alerts, err = alert.New(sinks, o); err != nil {
		return err
	}
	r.metrics.Registry.MustRegister(r.alerts)
	r.owner.inForce = r.policy.current.Load
	r.owner.told = r.tell
	for _, rec := range r.early { // such as that the policy of the file was not put in force
		if e, ok := alert.Of(rec); ok && e.Kind != alert.Loaded {
			r.alerts.Tell(e)
		}
	}
	r.early = nil
	r.owner.regretted = func(rec audit.Record, e alert.Event) {
		r.metrics.Regretted(rec.Regret.Recall != "", len(e.Clients))
		r.alerts.Tell(e)
	}
	r.metrics.WatchByHand(r.byHand)
	r.owner.warnApprovers()
	return nil
}

// tell is called with every record that was appended.
func (r *running) tell(rec audit.Record) {
	if l := rec.Release; rec.Kind == audit.KindRelease && l.BreakGlass {
		r.logger.Error("BREAK GLASS: an update is let through in an emergency", zap.Stringer("sha256", l.SHA256), zap.String("channel", l.Scope),
			zap.Time("until", l.Until), zap.String("by", printable.Text(l.By, 60)), zap.Strings("approvers", l.Approvers),
			zap.String("reason", printable.Text(l.Reason, 300)), zap.String("record", rec.ID))
	}
	if rec.Kind == audit.KindRecall {
		r.logger.Warn("recall", zap.Stringer("sha256", rec.Recall.SHA256), zap.Bool("lifted", rec.Recall.Lifted), zap.String("by", printable.Text(rec.Recall.By, 60)),
			zap.String("reason", printable.Text(rec.Recall.Reason, 300)), zap.String("record", rec.ID))
	}
	if rec.Kind == audit.KindApproval {
		r.logger.Warn("approval "+rec.Approval.State, zap.String("action", rec.Approval.Action), zap.String("by", printable.Text(rec.Approval.By, 60)), zap.String("record", rec.ID))
	}
	r.metrics.DoneByHand(rec)
	if rec.Kind == audit.KindRegret {
		return // with those who got it, by whoever has written it
	}
	if e, ok := alert.Of(rec); ok && r.alerts.Wants(e.Kind) {
		r.alerts.Tell(e)
	}
}

func (r *running) warnSink(sink, problem string) {
	if problem == "" {
		r.logger.Info("alerts get through again", zap.String("sink", sink))
		return
	}
	r.logger.Error("alerts do not get through", zap.String("sink", sink), zap.String("error", printable.Text(problem, 300)))
}

// byHand counts the releases by hand that are in force.
func (r *running) byHand() (releases, breakGlass int) {
	for _, l := range r.owner.releases.All(r.config.clock()) {
		releases++
		if l.BreakGlass {
			breakGlass++
		}
	}
	return releases, breakGlass
}

// parentOf is the way to webhooks: the parent proxy, where there is one.
func parentOf(c config) func(*http.Request) (*url.URL, error) {
	if c.Upstream.Proxy == "" {
		return http.ProxyFromEnvironment
	}
	parent, err := url.Parse(string(c.Upstream.Proxy))
	return func(req *http.Request) (*url.URL, error) {
		if host := req.URL.Hostname(); host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" {
			return nil, nil
		}
		return parent, err
	}
}

// alertSinks reads the files that the section alerts names, and makes sinks of it.
func alertSinks(c config) ([]alert.Sink, error) {
	roots, err := proxy.UpstreamRoots(c.Upstream.Roots)
	if err != nil {
		return nil, err
	}
	var sinks []alert.Sink
	for i := range c.Alerts {
		a := &c.Alerts[i]
		s := alert.Sink{
			Name: a.Name, Webhook: string(a.Webhook), Slack: a.Format == "slack", Syslog: string(a.Syslog), Facility: a.Facility.number(),
			Roots: roots, Rate: a.Rate, Queue: a.Queue,
		}
		for _, k := range a.Events {
			s.Events = append(s.Events, alert.Kind(k))
		}
		if err := a.readFiles(&s); err != nil {
			return nil, fmt.Errorf("alerts: sink %s: %w", a.Name, err)
		}
		sinks = append(sinks, s)
	}
	return sinks, nil
}

// readFiles reads what is better not in the configuration itself. Errors say nothing of what is in a file.
func (a *alertConfig) readFiles(s *alert.Sink) error {
	secret := func(path string, to *string) error {
		if path == "" {
			return nil
		}
		data, err := readSmall(path, 64<<10)
		if err != nil {
			return err
		}
		if *to = strings.TrimSpace(string(data)); *to == "" || strings.ContainsAny(*to, "\r\n") {
			return errors.New(path + " is to hold one line")
		}
		return nil
	}
	if err := errors.Join(secret(a.WebhookFile, &s.Webhook), secret(a.TokenFile, &s.Token)); err != nil {
		return err
	}
	if a.CA == "" {
		return nil
	}
	data, err := readSmall(a.CA, 1<<20)
	if err != nil {
		return err
	}
	s.Roots = x509.NewCertPool()
	if !s.Roots.AppendCertsFromPEM(data) {
		return errors.New(a.CA + " holds no certificate in PEM")
	}
	return nil
}
