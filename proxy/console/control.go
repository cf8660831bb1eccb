package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// The control protocol is HTTP with JSON bodies over a Unix socket that its owner alone may open. Only the command
// line of the same version is to speak it.
//
//	GET  /v1/items?all=true          []quarantine.Entry
//	GET  /v1/items/{id}              []quarantine.Entry
//	GET  /v1/items/{id}/content      the bytes
//	POST /v1/release, /v1/reject     Order, answered by Done
//	GET  /v1/standing                []Standing
//	GET  /v1/approvals               []Asked
//	POST /v1/approvals/{id}          Credential, answered by Done
//	POST /v1/recall                  RecallOrder, answered by RecallDone
//	POST /v1/policy/reload           ReloadOrder, answered by Reloaded
//	POST /v1/ca/rotate               {"by": "…"}, answered by mitm.Info
//	GET  /v1/backup                  a gzipped tar
//
// What goes wrong is a status of 400 or more with a Trouble. What is streamed ends with the trailer field X-Complete,
// so that a stream that broke off is never taken for a whole one.

// Trouble is an error that crosses the socket.
type Trouble struct {
	Message string `json:"error"`
	Advice  string `json:"hint,omitempty"`
	Code    string `json:"code,omitempty"` // "order", "not-found"
	Done    *Done  `json:"done,omitempty"` // what was done all the same

	Recalled *RecallDone `json:"recalled,omitempty"` // likewise
}

const (
	maxOrder        = 64 << 10 // bytes of a request body
	completeTrailer = "X-Complete"
)

// Control returns the handler of the control socket.
func Control(o *Operator) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/items", func(w http.ResponseWriter, r *http.Request) {
		entries, err := o.List(r.Context(), r.URL.Query().Get("all") == "true")
		reply(w, entries, err)
	})
	mux.HandleFunc("GET /v1/items/{id}", func(w http.ResponseWriter, r *http.Request) {
		entries, err := o.Show(r.Context(), r.PathValue("id"))
		reply(w, entries, err)
	})
	mux.HandleFunc("GET /v1/items/{id}/content", func(w http.ResponseWriter, r *http.Request) {
		stream(w, func(w io.Writer) error { return o.Export(r.Context(), r.PathValue("id"), w) })
	})
	mux.HandleFunc("GET /v1/backup", func(w http.ResponseWriter, r *http.Request) {
		stream(w, func(w io.Writer) error { return o.Backup(r.Context(), w) })
	})
	mux.HandleFunc("POST /v1/release", func(w http.ResponseWriter, r *http.Request) {
		var order Order
		if err := read(r, &order); err != nil {
			reply(w, nil, err)
			return
		}
		done, err := o.Release(r.Context(), order)
		replyDone(w, done, err)
	})
	mux.HandleFunc("POST /v1/reject", func(w http.ResponseWriter, r *http.Request) {
		var order Order
		if err := read(r, &order); err != nil {
			reply(w, nil, err)
			return
		}
		done, err := o.Reject(r.Context(), order)
		replyDone(w, done, err)
	})
	controlApprovals(mux, o)
	controlReload(mux, o)
	mux.HandleFunc("POST /v1/ca/rotate", func(w http.ResponseWriter, r *http.Request) {
		var who struct {
			By string `json:"by"`
		}
		if err := read(r, &who); err != nil {
			reply(w, nil, err)
			return
		}
		info, err := o.RotateCA(r.Context(), who.By)
		reply(w, info, err)
	})
	return mux
}

func read(r *http.Request, v any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, maxOrder))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: reading it: %w", ErrOrder, err)
	}
	return nil
}

func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		writeTrouble(w, trouble(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func replyDone(w http.ResponseWriter, done Done, err error) {
	if err == nil || done.Record == "" {
		reply(w, done, err)
		return
	}
	t := trouble(err)
	t.Done = &done
	writeTrouble(w, t)
}

// trouble describes an error for the other side.
func trouble(err error) Trouble {
	t := Trouble{Message: err.Error()}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		t.Advice = hinted.Hint()
	}
	switch {
	case errors.Is(err, ErrNotFound):
		t.Code = "not-found"
	case errors.Is(err, ErrOrder):
		t.Code = "order"
	case errors.Is(err, ErrProof):
		t.Code = "proof"
	}
	return t
}

func writeTrouble(w http.ResponseWriter, t Trouble) {
	status := http.StatusInternalServerError
	switch t.Code {
	case "not-found":
		status = http.StatusNotFound
	case "order":
		status = http.StatusBadRequest
	case "proof":
		status = http.StatusForbidden
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(t)
}

// stream sends what write writes. An error before the first byte is a Trouble, one after it breaks the response off.
func stream(w http.ResponseWriter, write func(io.Writer) error) {
	w.Header().Set("Trailer", completeTrailer)
	counted := &countingWriter{w: w}
	err := write(counted)
	switch {
	case err == nil:
		w.Header().Set(completeTrailer, "yes")
	case counted.n == 0:
		w.Header().Del("Trailer")
		writeTrouble(w, trouble(err))
	default:
		panic(http.ErrAbortHandler)
	}
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
