package proxy

import (
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// How long, and for how many questions, an answer that is in the log already needs no second record.
const (
	receiptLife = 10 * time.Minute
	receiptsMax = 8192
)

// receiptKey is one client asking for one artifact, with the answer it gets: only the very same answer is reused.
type receiptKey struct {
	client policy.Client
	digest verify.Digest
	scope  string
	policy verify.Digest
	action policy.Action
	rule   string
	why    verify.Digest // of the reasons: what is refused for something else by now has a record of its own
	where  verify.Digest // of the address and the file's name, and whether it was for this client alone: views are found by them
}

// receipts keeps the receipts of the last minutes, so that a client that asks again and again fills no log.
type receipts struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[receiptKey]keptReceipt
}

type keptReceipt struct {
	receipt audit.Receipt
	until   time.Time
}

func newReceipts(now func() time.Time) *receipts {
	return &receipts{now: now, by: map[receiptKey]keptReceipt{}}
}

func (r *receipts) recall(k receiptKey) (audit.Receipt, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, ok := r.by[k]
	if !ok || r.now().After(kept.until) {
		return audit.Receipt{}, false
	}
	return kept.receipt, true
}

func (r *receipts) keep(k receiptKey, receipt audit.Receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.by) >= receiptsMax {
		for k, kept := range r.by {
			if now.After(kept.until) {
				delete(r.by, k)
			}
		}
		if len(r.by) >= receiptsMax {
			clear(r.by)
		}
	}
	r.by[k] = keptReceipt{receipt, now.Add(receiptLife)}
}
