package audit

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Formats of Export.
const (
	FormatJSONL = "jsonl" // a record a line, as JSON
	FormatCSV   = "csv"   // RFC 4180, with a header line; the columns are csvColumns
)

// errEnough ends a walk that has found what it was to find.
var errEnough = errors.New("enough")

// Export writes the records of the log in dir that a filter chooses to w, oldest first; without a Filter.Kind the
// decisions. It may be called while another process writes the log. Nothing is verified.
func Export(ctx context.Context, dir string, w io.Writer, format string, f Filter) error {
	if f.Kind == "" {
		f.Kind = KindDecision
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("exporting records: %w", err)
	}
	out := bufio.NewWriter(w)
	var put func(*Record) error
	finish := func() error { return nil }
	switch format {
	case FormatJSONL:
		put = func(r *Record) error { return putJSON(out, r) }
	case FormatCSV:
		c := csv.NewWriter(out)
		c.UseCRLF = true
		if err := c.Write(csvColumns); err != nil {
			return fmt.Errorf("exporting records: %w", err)
		}
		put = func(r *Record) error { return c.Write(csvRow(r)) }
		finish = func() error { c.Flush(); return c.Error() }
	default:
		return fmt.Errorf("exporting records: there is no format %q, only %s and %s", format, FormatJSONL, FormatCSV)
	}
	written, found := 0, f.Before == ""
	_, err := walk(ctx, dir, position{}, 0, func(e entry) error {
		if !found && e.record.ID == normalID(f.Before) {
			found = true
			return errEnough
		}
		if !f.matches(&e.record) {
			return nil
		}
		if f.Limit > 0 && written >= f.Limit {
			return errEnough
		}
		written++
		return put(&e.record)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err == nil && !found {
		err = fmt.Errorf("record %q: %w", f.Before, ErrNotFound)
	}
	if err = errors.Join(err, finish(), out.Flush()); err != nil {
		return fmt.Errorf("exporting records: %w", err)
	}
	return nil
}

func putJSON(w io.Writer, r *Record) error {
	line, err := encodeLine(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// csvColumns are only ever added to, at the end.
var csvColumns = []string{
	"time", "id", "kind", "client_addr", "client_user", "method", "url", "channel",
	"name", "format", "size", "sha256", "product", "version",
	"action", "observed", "rule", "reasons", "policy", "findings", "decides",
	"delivery_status", "delivery_sent", "delivery_complete", "delivery_mode", "delivery_error",
	"tunnel_host", "tunnel_sent", "tunnel_received", "tunnel_result",
	"release_until", "release_reason", "release_by", "message", "deleted", "altered",
}

func csvRow(r *Record) []string {
	row := make([]string, 0, len(csvColumns))
	add := func(cells ...string) { row = append(row, cells...) }
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	add(r.Time.Format(time.RFC3339Nano), r.ID, string(r.Kind))
	client, request, artifact := Client{}, Request{}, Artifact{}
	if r.Client != nil {
		client = *r.Client
	}
	if r.Request != nil {
		request = *r.Request
	}
	add(client.Addr, client.User, request.Method, request.URL, r.scope())
	size := ""
	if r.Artifact != nil {
		artifact, size = *r.Artifact, number(r.Artifact.Size)
	}
	add(artifact.Name, string(artifact.Format), size, r.sha256(), artifact.Product, artifact.Version)
	if d := r.Decision; d != nil {
		add(d.Action.String(), strconv.FormatBool(d.Observed), d.Rule, strings.Join(d.Reasons, "; "), d.Policy)
	} else {
		add("", "", "", "", "")
	}
	findings := make([]string, len(r.Findings))
	for i, f := range r.Findings {
		findings[i] = f.Code + "=" + f.Status.String()
	}
	add(strings.Join(findings, " "), r.Decides)
	if d := r.Delivery; d != nil {
		add(strconv.Itoa(d.Status), number(d.Sent), strconv.FormatBool(d.Complete), d.Mode, d.Error)
	} else {
		add("", "", "", "", "")
	}
	if t := r.Tunnel; t != nil {
		add(t.Host, number(t.Sent), number(t.Received), t.Result)
	} else {
		add("", "", "", "")
	}
	if l := r.Release; l != nil {
		until := ""
		if !l.Until.IsZero() {
			until = l.Until.Format(time.RFC3339Nano)
		}
		add(until, l.Reason, l.By)
	} else {
		add("", "", "")
	}
	add(r.Message, strings.Join(r.Deleted, " "), strings.Join(r.Altered, " "))
	for i, cell := range row {
		row[i] = harmlessCell(cell)
	}
	return row
}

// harmlessCell keeps a spreadsheet from taking text for a formula: CSV injection, as OWASP describes it.
func harmlessCell(cell string) string {
	if trimmed := strings.TrimLeft(cell, " \t\r\n'\""); trimmed != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(trimmed)[0]) {
		return "'" + cell
	}
	return cell
}
