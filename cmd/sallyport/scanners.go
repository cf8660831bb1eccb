package main

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/reputation/scan"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/verify"
)

// openScanners makes what gives updates to the scanners of the policies in force. It opens updates as the examiner does.
func (r *running) openScanners(ex *verify.Examiner) *scan.Scanners {
	metrics := newScanMetrics(r.metrics.Registry)
	r.scanners = scan.New(scan.Options{Examiner: ex, Dir: r.owner.dir.spool(), Now: r.config.clock, Scanned: func(m scan.Made) {
		metrics.count(m)
		if m.Scan.Reason != "" && !m.Remembered {
			r.logger.Warn("scan", zap.String("scanner", m.Scanner), zap.Stringer("status", m.Scan.Status), zap.String("reason", printable.Text(m.Scan.Reason, 1000)), zap.Duration("took", m.Took))
		}
	}})
	return r.scanners
}

// healthTime is how long /readyz waits for scanners to say what they are.
const healthTime = 3 * time.Second

// scannersHealth is the scanners' part in /readyz. The proxy goes on without them, and what they should have scanned is what the policy
// says.
func (r *running) scannersHealth(ctx context.Context) (console.Health, string) {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	var bad, good []string
	for _, h := range r.scanners.Health(ctx, r.policy.current.Load().Scanners()) {
		switch {
		case h.Err != nil:
			bad = append(bad, printable.Text(h.Scanner+": "+h.Err.Error(), 300))
		case h.Remark != "":
			bad = append(bad, printable.Text(h.Scanner+": "+h.Remark, 300))
		default:
			good = append(good, printable.Text(h.Scanner+": "+h.Engine, 200))
		}
	}
	if len(bad) > 0 {
		return console.Warning, strings.Join(bad, "; ")
	}
	return console.Good, strings.Join(good, "; ")
}

// scanMetrics counts what scanners did.
type scanMetrics struct {
	scans *prometheus.CounterVec
	files *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

// newScanMetrics adds sallyport_scans_total, sallyport_scanned_files_total and sallyport_scan_seconds.
func newScanMetrics(registry *prometheus.Registry) *scanMetrics {
	m := &scanMetrics{
		scans: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_scans_total",
			Help: "Updates that scanners looked through, by how that came out: clean, found, failed; or remembered from before."}, []string{"scanner", "result"}),
		files: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_scanned_files_total",
			Help: "Files that scanners looked at, inner files included."}, []string{"scanner"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "sallyport_scan_seconds",
			Help: "How long it took to have an update looked through, with everything inside.", Buckets: []float64{.01, .05, .25, 1, 5, 25, 60, 300, 600}}, []string{"scanner"}),
	}
	registry.MustRegister(m.scans, m.files, m.took)
	return m
}

func (m *scanMetrics) count(made scan.Made) {
	if made.Remembered {
		m.scans.WithLabelValues(made.Scanner, "remembered").Inc()
		return
	}
	m.scans.WithLabelValues(made.Scanner, made.Scan.Status.String()).Inc()
	m.files.WithLabelValues(made.Scanner).Add(float64(made.Scan.Files))
	m.took.WithLabelValues(made.Scanner).Observe(made.Took.Seconds())
}
