package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/internal/versions"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// releaseRows is a query for releases, chosen by the condition that is put in, as one text: with many small values it is the number
// of them that takes the time. No value has control characters in it but the line ends of lists.
func releaseRows(condition string) string {
	return `SELECT ifnull(group_concat(row, char(30)), '') FROM (SELECT concat_ws(char(31), id, name, version, system, hex(sha256),
		publishers, proofs, at, record, by_hand) AS row FROM releases WHERE ` + condition + `)`
}

var (
	latestReleases  = releaseRows("product = ? ORDER BY record DESC LIMIT ?")
	highestReleases = releaseRows("id IN (SELECT release FROM highest WHERE product = ? AND branch IN (?, ?, ?, ?, ?) AND kind = ?)")
	// The same bytes may have been let through under other versions, the lowest of which counts.
	renamedReleases = releaseRows(`product = ?1 AND artifact IN (SELECT r.artifact FROM highest h JOIN releases r ON r.id = h.release
		WHERE h.product = ?1 AND h.branch IN (?2, ?3, ?4, ?5, ?6) AND h.kind = ?7) ORDER BY basis LIMIT 8`)
	// The latest by each group of publishers: who publishes is told by all that ever did, however often it was done since.
	publishedReleases = releaseRows(`product = ?1 AND record IN (SELECT max(record) FROM releases WHERE product = ?1
		GROUP BY publishers, by_hand ORDER BY max(record) DESC LIMIT 8)`)
)

// past returns what was let through before of an edition's product on its channel.
func (a asking) past(n policy.Edition) (policy.Past, error) {
	past := policy.Past{Product: n.Product}
	var product int64
	known, err := a.s.get(a.ctx, "SELECT id FROM products WHERE channel = ? AND product = ?", []any{n.Channel, n.Product}, &product)
	if !known || err != nil || n.Product == "" {
		return past, err
	}
	if past.Releases, err = a.releases(product, n); err != nil {
		return past, err
	}
	past.Proofs, err = a.proofs(product)
	return past, err
}

// releases returns the latest ones, and in place of the last of these some that are older: those with the highest versions, of all and
// of each branch that the edition's version lies in, and the latest by each group of publishers.
func (a asking) releases(product int64, n policy.Edition) ([]policy.PastRelease, error) {
	latest, err := a.numbered(latestReleases, product, maxReleases)
	if err != nil || len(latest.list) < maxReleases {
		return latest.list, err
	}
	all := append(branches(n.System, n.Version), make([]string, maxBranch)...) // "" again is asked for twice without harm
	of := []any{product, all[0], all[1], all[2], all[3], all[4], versions.Kind(n.System)}
	var kept numbered
	for _, ask := range []struct {
		query string
		args  []any
	}{{highestReleases, of}, {renamedReleases, of}, {publishedReleases, of[:1]}} {
		more, err := a.numbered(ask.query, ask.args...)
		if err != nil {
			return nil, err
		}
		kept.ids, kept.list = append(kept.ids, more.ids...), append(kept.list, more.list...)
	}
	for i, r := range kept.list {
		if !slices.Contains(latest.ids, kept.ids[i]) && !slices.Contains(kept.ids[:i], kept.ids[i]) {
			latest.insert(r, kept.ids)
		}
	}
	slices.SortStableFunc(latest.list, func(x, y policy.PastRelease) int { return strings.Compare(y.Record, x.Record) })
	return latest.list, nil
}

// proofs returns the kinds of proof that any release of a product had.
func (a asking) proofs(product int64) (map[string]policy.FirstProof, error) {
	var out map[string]policy.FirstProof
	err := a.s.each(a.ctx, "SELECT proof, at, record FROM proofs WHERE product = ?", []any{product}, func(rows *sql.Rows) error {
		var proof string
		var at int64
		var p policy.FirstProof
		if err := rows.Scan(&proof, &at, &p.Record); err != nil {
			return err
		}
		if out == nil {
			out = map[string]policy.FirstProof{}
		}
		p.At = moment(at)
		out[proof] = p
		return nil
	})
	return out, err
}

// numbered are releases with their numbers in the database.
type numbered struct {
	ids  []int64
	list []policy.PastRelease
}

func (a asking) numbered(query string, args ...any) (n numbered, err error) {
	var text string
	if _, err := a.s.get(a.ctx, query, args, &text); err != nil || text == "" {
		return n, err
	}
	for row := range strings.SplitSeq(text, "\x1e") {
		id, r, err := readRelease(row)
		if err != nil {
			return n, err
		}
		n.ids, n.list = append(n.ids, id), append(n.list, r)
	}
	return n, nil
}

func readRelease(row string) (id int64, r policy.PastRelease, err error) {
	f := strings.Split(row, "\x1f")
	if len(f) != 10 {
		return 0, r, fmt.Errorf("reading the history: %w: a release has %d values", errUnusable, len(f))
	}
	id, err = strconv.ParseInt(f[0], 10, 64)
	at, err2 := strconv.ParseInt(f[7], 10, 64)
	sum, err3 := verify.ParseDigest(f[4])
	if err := errors.Join(err, err2, err3); err != nil {
		return 0, r, fmt.Errorf("reading the history: %w: %w", errUnusable, err)
	}
	return id, policy.PastRelease{Name: f[1], Version: f[2], System: f[3], SHA256: sum, Publishers: unlist(f[5]), Proofs: unlist(f[6]),
		At: moment(at), Record: f[8], ByHand: f[9] == "1"}, nil
}

// insert puts a release in place of the last one that is none of those to keep.
func (n *numbered) insert(r policy.PastRelease, keep []int64) {
	for i := len(n.list) - 1; i > 0; i-- {
		if !slices.Contains(keep, n.ids[i]) && n.ids[i] != 0 {
			n.ids[i], n.list[i] = 0, r
			return
		}
	}
}
