package proxy

import (
	"log"
	"strings"

	"go.uber.org/zap"
)

// serverLog is the error log of net/http's servers: what clients do wrong, mostly.
func serverLog(l *zap.Logger) *log.Logger {
	return log.New(serverWriter{l}, "", 0)
}

type serverWriter struct{ log *zap.Logger }

// Write implements io.Writer.
func (w serverWriter) Write(p []byte) (int, error) {
	w.log.Debug("net/http", zap.String("says", shown(strings.TrimSpace(string(p)))))
	return len(p), nil
}
