package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// WatchLookups adds sallyport_lookups_total and sallyport_lookup_seconds and returns what has to be told of each request to a service.
func (m *Metrics) WatchLookups() (asked func(service string, took time.Duration, err error)) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_lookups_total",
		Help: "Requests to services that are asked about files, by how they came out."}, []string{"lookup", "result"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "sallyport_lookup_seconds",
		Help: "How long services that are asked about files took to answer.", Buckets: []float64{.025, .1, .25, 1, 2.5, 5, 10, 30}}, []string{"lookup"})
	m.Registry.MustRegister(total, seconds)
	return func(service string, took time.Duration, err error) {
		result := "answered"
		if err != nil {
			result = "failed"
		}
		total.WithLabelValues(service, result).Inc()
		seconds.WithLabelValues(service).Observe(took.Seconds())
	}
}
