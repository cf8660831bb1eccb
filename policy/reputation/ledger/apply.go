package ledger

import (
	"slices"
	"strings"

	"github.com/sallyport-project/sallyport/policy"
)

// maxViews is how many different bytes are remembered under one address, or as one version of one product. Those that were seen
// last stay: where there are as many, what is asked is answered by any of them.
const maxViews = 256

// applying puts events into the database. The order in which they come makes no difference but for what goes where there is too
// much: records are compared by their ids.
type applying struct {
	w   *writing
	key *secret
}

func (a applying) event(e event) error {
	if e.sha256.IsZero() {
		return nil
	}
	artifact, err := a.artifact(e)
	if err != nil {
		return err
	}
	if !e.private {
		for _, key := range a.viewKeys(e) {
			if err := a.view(key, artifact, e); err != nil {
				return err
			}
		}
	}
	if !e.allowed {
		return nil
	}
	for i, n := range e.editions {
		if n.Product == "" {
			continue
		}
		if err := a.release(n, e.byHand[i], artifact, e); err != nil {
			return err
		}
	}
	return nil
}

func (a applying) artifact(e event) (id int64, err error) {
	_, err = a.w.get(`INSERT INTO artifacts
		(sha256, name, named, first, first_record, lowest, lowest_record, requests, allowed, went_out)
		VALUES (?1, ?2, ?4, ?3, ?4, ?3, ?4, 1, ?5, ?6)
		ON CONFLICT (sha256) DO UPDATE SET
			name = CASE WHEN (went_out, excluded.named) < (excluded.went_out, named) THEN excluded.name ELSE name END,
			named = CASE WHEN (went_out, excluded.named) < (excluded.went_out, named) THEN excluded.named ELSE named END,
			first = CASE WHEN excluded.first_record < first_record THEN excluded.first ELSE first END,
			first_record = min(first_record, excluded.first_record),
			lowest_record = CASE WHEN excluded.lowest < lowest THEN excluded.lowest_record ELSE lowest_record END,
			lowest = min(lowest, excluded.lowest),
			requests = requests + 1, allowed = allowed + excluded.allowed, went_out = max(went_out, excluded.went_out)
		RETURNING id`,
		[]any{e.sha256[:], e.name, e.at, e.id, number(e.allowed), number(e.wentOut)}, &id)
	return id, err
}

// viewKeys are what the artifact is seen under: its address, and what channels take it for.
func (a applying) viewKeys(e event) [][]byte {
	var keys [][]byte
	if e.url != "" {
		keys = append(keys, a.key.address(e.url))
	}
	if e.began != nil {
		keys = append(keys, e.began)
	}
	return append(keys, versionKeys(a.key, e.editions)...)
}

func versionKeys(key *secret, editions []policy.Edition) [][]byte {
	var keys [][]byte
	for _, n := range editions {
		if n.Product != "" && n.Version != "" {
			keys = append(keys, key.version(n.Channel, n.Product, n.System, n.Version))
		}
	}
	return keys
}

func (a applying) view(key []byte, artifact int64, e event) error {
	err := a.w.exec(`INSERT INTO views (key, artifact, first, last, record, latest, client, several)
		VALUES (?1, ?2, ?3, ?3, ?4, ?4, ?5, 0)
		ON CONFLICT (key, artifact) DO UPDATE SET
			first = min(first, excluded.first), last = max(last, excluded.last),
			record = min(record, excluded.record), latest = max(latest, excluded.latest),
			several = max(several, length(client) > 0 AND length(excluded.client) > 0 AND client <> excluded.client),
			client = CASE WHEN length(client) = 0 THEN excluded.client WHEN length(excluded.client) = 0 THEN client ELSE min(client, excluded.client) END`,
		key, artifact, e.at, e.id, a.key.client(e.client))
	if err != nil {
		return err
	}
	var count int
	if _, err := a.w.get(`SELECT count(*) FROM views WHERE key = ?`, []any{key}, &count); err != nil || count <= maxViews {
		return err
	}
	return a.w.exec(`DELETE FROM views WHERE id IN (SELECT id FROM views WHERE key = ? ORDER BY latest LIMIT ?)`, key, count-maxViews)
}

// release puts what a channel let through into the past of its product.
func (a applying) release(n policy.Edition, byHand bool, artifact int64, e event) error {
	product, err := a.product(n)
	if err != nil {
		return err
	}
	var id, wasByHand int64
	known, err := a.w.get(`SELECT id, by_hand FROM releases WHERE product = ? AND version = ? AND artifact = ?`,
		[]any{product, n.Version, artifact}, &id, &wasByHand)
	if err != nil {
		return err
	}
	// What the policy itself let through keeps what it saw then, though a person lets the same through later with less.
	_, err = a.w.get(`INSERT INTO releases (product, version, artifact, sha256, system, name, publishers, proofs, at, record, basis, by_hand)
		VALUES (?1, ?2, ?3, ?11, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10)
		ON CONFLICT (product, version, artifact) DO UPDATE SET
			system = CASE WHEN (excluded.by_hand, basis) < (by_hand, excluded.basis) THEN excluded.system ELSE system END,
			name = CASE WHEN (excluded.by_hand, basis) < (by_hand, excluded.basis) THEN excluded.name ELSE name END,
			publishers = CASE WHEN (excluded.by_hand, basis) < (by_hand, excluded.basis) THEN excluded.publishers ELSE publishers END,
			proofs = CASE WHEN (excluded.by_hand, basis) < (by_hand, excluded.basis) THEN excluded.proofs ELSE proofs END,
			basis = CASE WHEN (excluded.by_hand, basis) < (by_hand, excluded.basis) THEN excluded.basis ELSE basis END,
			at = CASE WHEN record < excluded.record THEN excluded.at ELSE at END,
			record = max(record, excluded.record), by_hand = min(by_hand, excluded.by_hand)
		RETURNING id`,
		[]any{product, n.Version, artifact, n.System, e.name, list(n.Publishers), list(n.Proofs), e.at, e.id, number(byHand), e.sha256[:]}, &id)
	if err != nil {
		return err
	}
	if !byHand {
		for _, proof := range n.Proofs {
			err := a.w.exec(`INSERT INTO proofs VALUES (?, ?, ?, ?) ON CONFLICT (product, proof) DO UPDATE SET
				at = CASE WHEN excluded.record < record THEN excluded.at ELSE at END, record = min(record, excluded.record)`,
				product, proof, e.at, e.id)
			if err != nil {
				return err
			}
		}
	}
	if known && (byHand || wasByHand == 0) {
		return nil
	}
	return a.highest(product, id, n, byHand)
}

func (a applying) product(n policy.Edition) (id int64, err error) {
	known, err := a.w.get(`SELECT id FROM products WHERE channel = ? AND product = ?`, []any{n.Channel, n.Product}, &id)
	if known || err != nil {
		return id, err
	}
	_, err = a.w.get(`INSERT INTO products (channel, product) VALUES (?, ?) RETURNING id`, []any{n.Channel, n.Product}, &id)
	return id, err
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// list writes a list of printable words, a line each, sorted.
func list(words []string) string {
	return strings.Join(slices.Sorted(slices.Values(words)), "\n")
}

func unlist(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
