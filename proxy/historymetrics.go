package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// historyMetrics count what is asked and done besides the verdict itself.
type historyMetrics struct {
	ripening      prometheus.Gauge
	ripened       *prometheus.CounterVec
	secondLooks   *prometheus.CounterVec
	historyErrors prometheus.Counter
}

func newHistoryMetrics() historyMetrics {
	return historyMetrics{
		ripening: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sallyport_ripening",
			Help: "Updates in quarantine that are judged again by themselves when their time has come."}),
		ripened: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_ripened_total",
			Help: "Updates in quarantine that were judged again by themselves: released, held, gone, failed."}, []string{"result"}),
		secondLooks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_second_looks_total",
			Help: "What origins answered when they were asked again: same, other, failed."}, []string{"result"}),
		historyErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "sallyport_history_errors_total",
			Help: "Decisions that were made without the history, because it could not be read."}),
	}
}

func (h historyMetrics) register(r *prometheus.Registry) {
	r.MustRegister(h.ripening, h.ripened, h.secondLooks, h.historyErrors)
}

// lookedAgain counts a second look at a file.
func (m *Metrics) lookedAgain(sum verify.Digest, look policy.SecondLook) {
	if m == nil || !look.Asked {
		return
	}
	result := "other"
	switch {
	case look.Failed != "":
		result = "failed"
	case look.SHA256 == sum:
		result = "same"
	}
	m.secondLooks.WithLabelValues(result).Inc()
}

func (m *Metrics) historyFailed() {
	if m != nil {
		m.historyErrors.Inc()
	}
}
