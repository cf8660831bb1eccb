package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The addresses of the parts, on this machine only.
const (
	originAddr  = "127.0.0.1:18443"
	peerAddr    = "127.0.0.1:18128"
	proxyAddr   = "127.0.0.1:13128"
	consoleAddr = "127.0.0.1:18640"
	originHost  = "origin.example"
	tunnelHost  = "tunnel.example"
)

// serveOrigin serves over TLS: files of the samples directory, at any speed that ?rate=bytes-per-second asks for, and
// /stream?size=N, zero bytes that are no update. /fetches?path=P tells how often P was asked for.
func serveOrigin(ctx context.Context, dir string) error {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "origin.pem"), filepath.Join(dir, "origin.key"))
	if err != nil {
		return err
	}
	var fetches sync.Map
	mux := http.NewServeMux()
	mux.HandleFunc("/fetches", func(w http.ResponseWriter, r *http.Request) {
		n, _ := fetches.LoadOrStore(r.URL.Query().Get("path"), new(atomic.Int64))
		fmt.Fprint(w, n.(*atomic.Int64).Load())
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.ParseInt(r.URL.Query().Get("size"), 10, 64)
		if err != nil || size < 0 {
			http.Error(w, "size", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.Header().Set("Content-Type", "text/css")
		io.CopyN(w, blanks{}, size)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		n, _ := fetches.LoadOrStore(r.URL.Path, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		f, err := os.Open(filepath.Join(dir, "files", filepath.Base(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if r.URL.Query().Has("etag") {
			w.Header().Set("Etag", `"`+r.URL.Query().Get("etag")+`"`)
			w.Header().Set("Cache-Control", "max-age=3600")
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		if rate, err := strconv.ParseInt(r.URL.Query().Get("rate"), 10, 64); err == nil && rate > 0 {
			w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
			paced(w, f, rate)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, f)
	})
	srv := &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ReadHeaderTimeout: 10 * time.Second}
	return serveUntil(ctx, srv, originAddr)
}

// serveUntil serves TLS until ctx is done.
func serveUntil(ctx context.Context, srv *http.Server, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		srv.Close()
	}()
	if srv.TLSConfig != nil {
		err = srv.ServeTLS(l, "", "")
	} else {
		err = srv.Serve(l)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// blanks is an endless supply of text that is no update.
type blanks struct{}

// Read implements io.Reader.
func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// paced copies at a rate of bytes per second, in slices of 10 ms.
func paced(w io.Writer, r io.Reader, rate int64) {
	began, sent := time.Now(), int64(0)
	buf := make([]byte, max(1, rate/100))
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return
			}
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
		}
		if err != nil {
			return
		}
		sent += int64(n)
		time.Sleep(time.Until(began.Add(time.Duration(float64(sent) / float64(rate) * float64(time.Second)))))
	}
}
