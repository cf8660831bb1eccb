package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-project/sallyport/policy/audit"
)

// byHandMetrics count what people do by hand, and what turns out to have been a mistake.
type byHandMetrics struct {
	byHand  *prometheus.CounterVec
	regrets *prometheus.CounterVec
	clients prometheus.Counter
}

func newByHandMetrics(r *prometheus.Registry) byHandMetrics {
	m := byHandMetrics{
		byHand: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_by_hand_total",
			Help: "What people have done by hand: release, break-glass, reject, recall, lift, asked, agreed, refused."}, []string{"action"}),
		regrets: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_regrets_total",
			Help: "Updates that were let through and turned out to be bad, by who says so: feed or recall."}, []string{"source"}),
		clients: prometheus.NewCounter(prometheus.CounterOpts{Name: "sallyport_regretted_accesses_total",
			Help: "Decisions that let such updates through, as far as they are listed."}),
	}
	for _, source := range []string{"feed", "recall"} {
		m.regrets.WithLabelValues(source)
	}
	r.MustRegister(m.byHand, m.regrets, m.clients)
	return m
}

// WatchByHand adds the gauges sallyport_releases_in_force and sallyport_break_glass_in_force.
func (m *Metrics) WatchByHand(count func() (releases, breakGlass int)) {
	gauge := func(name, help string, value func() int) {
		m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	gauge("sallyport_releases_in_force", "Releases by hand that are in force, those of an emergency included.", func() int { n, _ := count(); return n })
	gauge("sallyport_break_glass_in_force", "Releases in an emergency that are in force.", func() int { _, n := count(); return n })
}

// Regretted counts a regret, and the decisions that it lists.
func (m *Metrics) Regretted(recalled bool, accesses int) {
	source := "feed"
	if recalled {
		source = "recall"
	}
	m.hand.regrets.WithLabelValues(source).Inc()
	m.hand.clients.Add(float64(accesses))
}

// DoneByHand counts a record that says what somebody did by hand; others are passed over.
func (m *Metrics) DoneByHand(r audit.Record) {
	action := ""
	switch {
	case r.Kind == audit.KindRelease && r.Release != nil && r.Release.BreakGlass:
		action = "break-glass"
	case r.Kind == audit.KindRelease, r.Kind == audit.KindReject:
		action = string(r.Kind)
	case r.Kind == audit.KindRecall && r.Recall != nil && r.Recall.Lifted:
		action = "lift"
	case r.Kind == audit.KindRecall:
		action = "recall"
	case r.Kind == audit.KindApproval && r.Approval != nil && r.Approval.State != audit.ApprovalDone:
		action = r.Approval.State
	default:
		return
	}
	m.hand.byHand.WithLabelValues(action).Inc()
}
