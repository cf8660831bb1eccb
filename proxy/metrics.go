package proxy

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// The outcomes of requests that are no refusals. With the kinds of refusal they are all values of the label outcome.
const (
	outcomePassed    = "passed"    // streamed through, held by nobody
	outcomeAllowed   = "allowed"   // held, judged and released
	outcomeObserved  = "observed"  // held, judged, and delivered in observe mode whatever the verdict
	outcomeAborted   = "aborted"   // the response broke off
	outcomeTunnel    = "tunnel"    // bytes passed unseen
	outcomeOpened    = "opened"    // a CONNECT that is inspected
	outcomeHandshake = "handshake" // a CONNECT whose TLS failed
	outcomePage      = "page"      // a page of our own
)

// maxFindingCodes bounds the values of the label code; others are counted as "other".
const maxFindingCodes = 200

// Metrics is what Prometheus can ask for. Its methods may be called by several goroutines.
type Metrics struct {
	Registry *prometheus.Registry

	requests      *prometheus.CounterVec
	clientBytes   prometheus.Counter
	originBytes   prometheus.Counter
	tunnelBytes   *prometheus.CounterVec
	hold, verdict prometheus.Histogram
	flights       prometheus.Gauge
	open          prometheus.Gauge
	openTunnels   prometheus.Gauge
	evictions     prometheus.Counter
	handshakes    prometheus.Counter
	panics        prometheus.Counter
	cacheHits     prometheus.Counter
	findings      *prometheus.CounterVec
	policyLoads   *prometheus.CounterVec
	recordErrors  prometheus.Counter
	refreshes     *prometheus.CounterVec
	failing       *prometheus.GaugeVec

	historyMetrics

	mu    sync.Mutex
	codes map[string]bool

	hand byHandMetrics
}

// NewMetrics makes metrics in a registry of their own, with those of the Go runtime and the process.
func NewMetrics() *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "sallyport_" + name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_" + name, Help: help}, []string{label})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "sallyport_" + name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "sallyport_" + name, Help: help,
			Buckets: []float64{.005, .025, .1, .25, 1, 2.5, 10, 25, 60, 300, 1800}})
	}
	m := &Metrics{
		Registry:     prometheus.NewRegistry(),
		requests:     vector("requests_total", "Requests, by how they came out.", "outcome"),
		clientBytes:  counter("client_bytes_total", "Bytes of response bodies sent to clients."),
		originBytes:  counter("origin_bytes_total", "Bytes of response bodies received from origins."),
		tunnelBytes:  vector("tunnel_bytes_total", "Bytes that passed unseen, sent by clients or received from origins.", "direction"),
		hold:         histogram("hold_seconds", "How long clients waited for an update from their request to its first byte or refusal."),
		verdict:      histogram("verdict_seconds", "How long it took from the last byte of an update to the verdict."),
		flights:      gauge("flights", "Updates that are being fetched or examined."),
		open:         gauge("connections", "Open connections from clients."),
		openTunnels:  gauge("tunnels", "Open tunnels."),
		evictions:    counter("connections_evicted_total", "Idle connections closed to make room for new ones."),
		handshakes:   counter("handshake_failures_total", "TLS handshakes with clients that failed, for instance because they do not trust the CA."),
		panics:       counter("panics_total", "Requests during which the proxy panicked."),
		cacheHits:    counter("cache_hits_total", "Updates served from the vault without fetching them again."),
		findings:     vector("findings_total", "Findings about updates, by code.", "code"),
		policyLoads:  vector("policy_loads_total", "Attempts to load the policy file.", "result"),
		recordErrors: counter("record_errors_total", "Records that could not be written to the audit log."),
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_refresh_total",
			Help: "What came of keeping repositories and trusted roots up to date: changed, unchanged, failed, timeout, crashed."}, []string{"method", "result"}),
		failing: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sallyport_refresh_failing",
			Help: "Anchors whose repository or trusted root could not be brought up to date when that was tried last."}, []string{"method"}),
		codes:          map[string]bool{},
		historyMetrics: newHistoryMetrics(),
	}
	m.historyMetrics.register(m.Registry)
	m.Registry.MustRegister(m.requests, m.clientBytes, m.originBytes, m.tunnelBytes, m.hold, m.verdict, m.flights, m.open,
		m.openTunnels, m.evictions, m.handshakes, m.panics, m.cacheHits, m.findings, m.policyLoads, m.recordErrors, m.refreshes, m.failing,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.hand = newByHandMetrics(m.Registry)
	return m
}

// WatchVault adds the gauge sallyport_vault_bytes. The function returns the bytes in the vault by state, such as
// "held", "released" and "quarantined".
func (m *Metrics) WatchVault(states []string, bytes func(state string) float64) {
	for _, state := range states {
		m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sallyport_vault_bytes", Help: "Bytes in the vault.", ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return bytes(state) }))
	}
}

// WatchLog adds the gauges sallyport_log_records and sallyport_log_bytes.
func (m *Metrics) WatchLog(size func() (records uint64, bytes int64)) {
	m.Registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sallyport_log_records", Help: "Records in the audit log."},
			func() float64 { records, _ := size(); return float64(records) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sallyport_log_bytes", Help: "Size of the audit log in bytes."},
			func() float64 { _, bytes := size(); return float64(bytes) }))
}

// PolicyLoaded counts an attempt to load the policy.
func (m *Metrics) PolicyLoaded(err error) {
	if err != nil {
		m.policyLoads.WithLabelValues("refused").Inc()
		return
	}
	m.policyLoads.WithLabelValues("loaded").Inc()
}

func (m *Metrics) request(outcome string, sent int64) {
	m.requests.WithLabelValues(outcome).Inc()
	m.clientBytes.Add(float64(sent))
}

func (m *Metrics) tunnelled(sent, received int64) {
	m.tunnelBytes.WithLabelValues("sent").Add(float64(sent))
	m.tunnelBytes.WithLabelValues("received").Add(float64(received))
}

func (m *Metrics) connections(n int)               { m.open.Add(float64(n)) }
func (m *Metrics) tunnels(n int)                   { m.openTunnels.Add(float64(n)) }
func (m *Metrics) evicted()                        { m.evictions.Inc() }
func (m *Metrics) handshakeFailed()                { m.handshakes.Inc() }
func (m *Metrics) panicked()                       { m.panics.Inc() }
func (m *Metrics) recordFailed()                   { m.recordErrors.Inc() }
func (m *Metrics) held(d time.Duration)            { m.hold.Observe(d.Seconds()) }
func (m *Metrics) judged(d time.Duration)          { m.verdict.Observe(d.Seconds()) }
func (m *Metrics) flight(n int)                    { m.flights.Add(float64(n)) }
func (m *Metrics) refreshed(method, result string) { m.refreshes.WithLabelValues(method, result).Inc() }
func (m *Metrics) refreshFailing(method string, n int) {
	m.failing.WithLabelValues(method).Set(float64(n))
}
func (m *Metrics) cacheHit()              { m.cacheHits.Inc() }
func (m *Metrics) fromOrigin(bytes int64) { m.originBytes.Add(float64(bytes)) }

// finding counts a finding. Codes are ours and few; the bound holds even if one of them is ever made of input.
func (m *Metrics) finding(code string) {
	m.mu.Lock()
	if !m.codes[code] {
		if len(m.codes) >= maxFindingCodes {
			code = "other"
		}
		m.codes[code] = true
	}
	m.mu.Unlock()
	m.findings.WithLabelValues(code).Inc()
}
