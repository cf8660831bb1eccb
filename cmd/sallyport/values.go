package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"
)

// byteSize is a number of bytes, written like 8GiB, 64KiB, 100MB or 4096.
type byteSize int64

var byteUnits = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *byteSize) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), 1.0
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("%q is no size; write it like 8GiB, 500MB or 4096", text)
	}
	f *= unit
	if !(f >= 1 && f < math.MaxInt64) {
		return fmt.Errorf("%q is out of range: a size is at least one byte and less than 8388608TiB", text)
	}
	*b = byteSize(f)
	return nil
}

// String returns the size in the largest binary unit that has it whole, or with one decimal.
func (b byteSize) String() string {
	for i := 3; i >= 0; i-- {
		u := byteUnits[i]
		if f := float64(b) / u.bytes; f >= 1 {
			if f == math.Trunc(f) {
				return strconv.FormatFloat(f, 'f', 0, 64) + u.name
			}
			return strconv.FormatFloat(f, 'f', 1, 64) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// duration is a positive length of time, written like 25s, 10m, 72h or 14d.
type duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	s := string(text)
	var v time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int64
		if n, err = strconv.ParseInt(days, 10, 32); err == nil && n > 36500 {
			err = errors.New("more than a century")
		}
		v = time.Duration(n) * 24 * time.Hour
	} else {
		v, err = time.ParseDuration(s)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%q is no duration; write it like 500ms, 25s, 10m, 72h or 14d", text)
	case v <= 0:
		return fmt.Errorf("%q is out of range: it has to be more than nothing", text)
	}
	*d = duration(v)
	return nil
}

// hostPort is an address to listen on, host:port; empty for none, which is written "off".
type hostPort string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hostPort) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "off" || s == "" {
		*h = ""
		return nil
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is no address; write it like 127.0.0.1:3128, [::1]:3128 or :3128", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port between 0 and 65535", s)
	}
	*h = hostPort(s)
	return nil
}

// proxyURL is the URL of a parent proxy.
type proxyURL string

// UnmarshalText implements encoding.TextUnmarshaler. The password that the URL may hold stays out of the error.
func (p *proxyURL) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = ""
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil {
		return errors.New("is no URL; write it like http://proxy.example:3128")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("is to begin with http:// or https://")
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return errors.New("is to be a scheme, a host and a port only, like http://proxy.example:3128")
	}
	*p = proxyURL(text)
	return nil
}

// logLevel is the name of a level of the operational log.
type logLevel zapcore.Level

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *logLevel) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case "debug":
		*l = logLevel(zapcore.DebugLevel)
	case "info":
		*l = logLevel(zapcore.InfoLevel)
	case "warn":
		*l = logLevel(zapcore.WarnLevel)
	case "error":
		*l = logLevel(zapcore.ErrorLevel)
	default:
		return oneOf(s, "debug", "info", "warn", "error")
	}
	return nil
}

// logFormat is how lines of the operational log look: json or console.
type logFormat string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *logFormat) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case "json", "console":
		*f = logFormat(s)
		return nil
	default:
		return oneOf(s, "json", "console")
	}
}

// oneOf says that got is none of the names, and which of them is meant if one is near.
func oneOf(got string, names ...string) error {
	if near := nearest(got, names); near != "" {
		return fmt.Errorf("%q is not known; the nearest is %q", got, near)
	}
	return fmt.Errorf("%q is not known; it is one of: %s", got, strings.Join(names, ", "))
}

// parseTime reads a moment as flags have it: RFC 3339, or a date, which is its first moment in UTC.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write it like 2026-11-22T15:04:05Z or 2026-11-22", s)
}

// parseSince reads a moment as parseTime does, or as a duration before now, such as 24h or 7d.
func parseSince(s string, now time.Time) (time.Time, error) {
	var d duration
	if d.UnmarshalText([]byte(s)) == nil {
		return now.Add(-time.Duration(d)), nil
	}
	t, err := parseTime(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w, or how long ago, like 24h or 7d", err)
	}
	return t, nil
}
