package main

import (
	"os"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/alert"
)

// alertOptions are the options of alerts that do not depend on whether a server runs.
func (o *owner) alertOptions() alert.Options {
	host, _ := os.Hostname()
	version, _ := buildVersion()
	return alert.Options{Dir: o.dir.alerts(), Host: host, Version: version, Now: o.config.now}
}

// queueAlerts has what a command does while no server runs wait for the next server, which tells of it. The result is called when it has
// been done.
func (o *owner) queueAlerts() func() {
	sinks, err := alertSinks(o.config)
	if err == nil && len(sinks) == 0 {
		return func() {}
	}
	var a *alert.Alerts
	if err == nil {
		a, err = alert.New(sinks, o.alertOptions())
	}
	if err != nil {
		o.logger.Warn("no alerts of what is done now", zap.Error(err))
		return func() {}
	}
	tell := func(e alert.Event) {
		a.Tell(e)
		a.Drain()
	}
	o.told = func(rec audit.Record) {
		if e, ok := alert.Of(rec); ok && rec.Kind != audit.KindRegret {
			tell(e)
		}
	}
	o.regretted = func(_ audit.Record, e alert.Event) { tell(e) }
	return a.Close
}
