package proxy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// series returns the values that Prometheus would be given, by name and labels.
func series(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
		for _, metric := range f.GetMetric() {
			key := f.GetName()
			for _, l := range metric.GetLabel() {
				key += fmt.Sprintf("{%s=%s}", l.GetName(), l.GetValue())
			}
			out[key] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	m.WatchVault([]string{"held", "released"}, func(state string) float64 { return float64(len(state)) })
	m.WatchLog(func() (uint64, int64) { return 7, 1234 })
	m.PolicyLoaded(nil)
	m.PolicyLoaded(errors.New("x"))
	m.held(time.Second)
	m.judged(time.Second)
	m.request(outcomeAllowed, 100)
	m.tunnelled(1, 2)
	got := series(t, m)
	for key, want := range map[string]float64{
		"sallyport_vault_bytes{state=held}": 4, "sallyport_vault_bytes{state=released}": 8, "sallyport_log_records": 7, "sallyport_log_bytes": 1234,
		"sallyport_policy_loads_total{result=loaded}": 1, "sallyport_policy_loads_total{result=refused}": 1,
		"sallyport_hold_seconds": 1, "sallyport_verdict_seconds": 1, "sallyport_requests_total{outcome=allowed}": 1,
		"sallyport_client_bytes_total": 100, "sallyport_tunnel_bytes_total{direction=sent}": 1, "sallyport_tunnel_bytes_total{direction=received}": 2,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, not %v", key, got[key], want)
		}
	}
	name := regexp.MustCompile(`^(sallyport|go|process)_[a-z0-9_]+(\{|$)`)
	for key := range got {
		if !name.MatchString(key) {
			t.Errorf("%s is no name by Prometheus conventions", key)
		}
	}
}

func TestMetricsStayFew(t *testing.T) {
	m := NewMetrics()
	for i := range 10_000 {
		m.finding(fmt.Sprintf("made-up/%d", i))
	}
	m.finding("made-up/1")
	n, got := 0, series(t, m)
	for key := range got {
		if strings.HasPrefix(key, "sallyport_findings_total") {
			n++
		}
	}
	if n > maxFindingCodes+1 {
		t.Errorf("%d series", n)
	}
	if v := got["sallyport_findings_total{code=made-up/1}"]; v != 2 {
		t.Errorf("a known code is counted as other: %v", v)
	}
}

func TestOutcomesAreCounted(t *testing.T) {
	g := newFrontRig(t, func(o *Options) {
		o.Metrics = NewMetrics()
		o.Rules = func() Rules { return frontRules{deny: names("no.example")} }
	})
	g.mustGet("http://no.example/")
	g.client.CloseIdleConnections()
	if v := series(t, g.server.metrics)["sallyport_requests_total{outcome=denied}"]; v != 1 {
		t.Errorf("%v", v)
	}
}
