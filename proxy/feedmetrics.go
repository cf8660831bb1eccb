package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-project/sallyport/policy/reputation"
)

// feedMetrics tells how feeds are doing whenever somebody asks.
type feedMetrics struct {
	states                    func() []reputation.State
	entries, age, usable, bad *prometheus.Desc
}

// WatchFeeds adds gauges about each feed: sallyport_feed_entries, sallyport_feed_age_seconds (since it was last known to be the
// present one; not there before that), sallyport_feed_usable (1 if it is loaded and not stale) and sallyport_feed_failures (in a
// row).
func (m *Metrics) WatchFeeds(states func() []reputation.State) {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("sallyport_feed_"+name, help, []string{"feed"}, nil)
	}
	m.Registry.MustRegister(&feedMetrics{
		states:  states,
		entries: describe("entries", "Entries of the list in force."),
		age:     describe("age_seconds", "How long ago the list was last known to be the present one."),
		usable:  describe("usable", "1 if the list was loaded and is not stale."),
		bad:     describe("failures", "Attempts to get the list that failed in a row."),
	})
}

// Describe implements prometheus.Collector.
func (f *feedMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.entries, f.age, f.usable, f.bad} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (f *feedMetrics) Collect(out chan<- prometheus.Metric) {
	for _, s := range f.states() {
		gauge := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Feed)
		}
		usable := 0.0
		if s.Status == reputation.Fresh {
			usable = 1
		}
		gauge(f.entries, float64(s.Entries))
		gauge(f.usable, usable)
		gauge(f.bad, float64(s.Failures))
		if !s.Success.IsZero() {
			gauge(f.age, time.Since(s.Success).Seconds())
		}
	}
}
