package proxy

import (
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// learning is the memory that verifiers are given: what advances it is written to the log.
type learning struct {
	verify.Memory
	gate *Gate
}

// Advance implements verify.Memory. The log follows the memory: a record that is missing after a crash was of
// something proven, and an advance without its record holds nothing back.
func (l learning) Advance(anchor, key string, old, new []byte) error {
	if err := l.Memory.Advance(anchor, key, old, new); err != nil {
		return err
	}
	rec := audit.Record{Kind: audit.KindLearn, Message: recordText("anchor " + anchor + " vouches for newer metadata: " + key)}
	l.gate.work.Add(1)
	go func() {
		defer l.gate.work.Done()
		if _, err := l.gate.Append(rec); err != nil {
			l.gate.Metrics.recordFailed()
			l.gate.Logger.Error("recording what was learnt", zap.Error(err))
		}
	}()
	return nil
}
