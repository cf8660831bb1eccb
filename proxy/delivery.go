package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
)

// delivery is the body of a response with an update. When it is closed, the log is told how much of it was sent, and
// whether that was all.
type delivery struct {
	transit *transit
	receipt audit.Receipt
	content *quarantine.Content // given back in the end; nil if somebody else does
	mode    string
	status  int
	length  int64 // -1: not known

	body  io.ReadCloser
	read  int64 // bytes handed out
	ended bool
	err   error
	once  sync.Once
}

// Read implements io.Reader.
func (d *delivery) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.read += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		d.ended = true
	case err != nil:
		d.err = err
	}
	return n, err
}

// Close implements io.Closer.
func (d *delivery) Close() error {
	err := d.body.Close()
	d.once.Do(func() {
		if d.content != nil {
			d.content.Close()
		}
		d.report()
	})
	return err
}

// report writes the delivery record, on its own time: the client has its bytes.
func (d *delivery) report() {
	x := d.transit
	sent := d.read
	if w := x.session.writer; w != nil {
		sent = min(sent, w.sent) // what could not be written was not sent
	}
	complete := d.err == nil && sent == d.read && (d.ended || d.length >= 0 && sent >= d.length || x.req.Method == http.MethodHead)
	rec := audit.Record{
		Kind: audit.KindDelivery, Client: x.auditClient(), Request: x.auditRequest(), Channel: x.plan.Scope,
		Decides:  d.receipt.ID(),
		Delivery: &audit.Delivery{Status: d.status, Sent: sent, Complete: complete, Mode: d.mode},
	}
	switch {
	case d.err != nil:
		rec.Delivery.Error = recordText(d.err.Error())
	case !complete:
		rec.Delivery.Error = "the client went away"
	}
	x.gate.work.Add(1)
	go func() {
		defer x.gate.work.Done()
		if _, err := x.gate.Append(rec); err != nil {
			x.gate.Metrics.recordFailed()
			x.gate.Logger.Error("recording a delivery", zap.Error(err))
		}
	}()
}
