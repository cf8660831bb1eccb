package regret

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// What the ledger does not know of an update, the log may: where it came from, what signed statements say that it is, and, in the
// report that it was decided by, who signed it. The log is read back for that, as far as this.
const (
	walkRecords = 200_000
	walkBack    = 366 * 24 * time.Hour
	walkPage    = 1000
)

// walkable reports whether entries of a list are compared with what the log says.
func walkable(has reputation.Kinds) bool {
	for _, k := range []reputation.Kind{reputation.KindURL, reputation.KindDomain, reputation.KindHost, reputation.KindPackage, reputation.KindCertSHA256} {
		if has.Has(k) {
			return true
		}
	}
	return false
}

// walk compares the new entries of a list with the decisions of the log, the latest first.
func (t *Tracker) walk(ctx context.Context, n *reputation.Notice) error {
	filter := audit.Filter{Kind: audit.KindDecision, Since: t.o.Now().Add(-walkBack), Limit: walkPage}
	seen := map[verify.Digest]bool{} // artifacts whose report was looked into
	for read := 0; read < walkRecords; {
		page, err := audit.List(ctx, t.o.LogDir, filter)
		if err != nil {
			return fmt.Errorf("reading the log back: %w", err)
		}
		for i := range page {
			if !wentOut(&page[i]) {
				continue
			}
			if err := t.match(ctx, n, &page[i], t.whole(&page[i], seen)); err != nil {
				return errors.Join(err, ctx.Err())
			}
		}
		if len(page) < walkPage {
			return nil
		}
		read += len(page)
		filter.Before = page[len(page)-1].ID
	}
	t.o.Note(fmt.Sprintf("feed %s: only the last %d decisions were compared with its new URLs, hosts, packages and certificates", n.Feed, walkRecords))
	return nil
}

// whole returns the report that a decision was made by, once for each artifact; what the record says of it otherwise.
func (t *Tracker) whole(rec *audit.Record, seen map[verify.Digest]bool) verify.Report {
	if t.o.Report != nil && !rec.Report.IsZero() && !seen[rec.Artifact.SHA256] {
		seen[rec.Artifact.SHA256] = true
		if r, err := t.o.Report(rec.Report); err == nil {
			return r
		}
	}
	return reportOf(rec, nil)
}
