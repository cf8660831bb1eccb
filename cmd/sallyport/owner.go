package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/policy/reputation/regret"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/alert"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/proxy/mitm"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
)

// owner is the one process that has the lock of the state directory, with everything in it open: the server, or a
// command that changes something while no server runs.
type owner struct {
	dir    stateDir
	config config
	lock   *lockHeld
	log    *audit.Log
	vault  *quarantine.Vault
	memory *proxy.Memory
	logger *zap.Logger

	releases *proxy.Releases // standing ones, from the log
	ledger   *ledger.Ledger  // what the log tells of updates
	reports  *audit.Reports  // by which they were judged

	approvers *userFile                       // whose word counts where the policy asks for several; nil is nobody
	approvals *console.Approvals              // what waits for people to agree
	regrets   *regret.Tracker                 // finds out who got what turns out to be bad
	recalled  recalledDigests                 // what is recalled
	harmless  atomic.Pointer[map[string]bool] // feeds that are not of what is bad

	inForce   func() *policy.Policy           // the policy in force; nil where no server runs
	told      func(audit.Record)              // is told of every record that was appended; nil: nobody is
	regretted func(audit.Record, alert.Event) // is told of every regret, and who got it; nil: nobody is

	mu          sync.Mutex // guards appendError
	appendError error      // of the last attempt to append; nil if it succeeded
}

// openOwner takes the lock and opens what the state directory holds, making what is missing.
func openOwner(c config, dir stateDir, logger *zap.Logger) (_ *owner, err error) {
	o := &owner{dir: dir, config: c, logger: logger, releases: new(proxy.Releases)}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	if err := dir.make(); err != nil {
		return nil, err
	}
	if o.lock, err = dir.acquire(); err != nil {
		return nil, err
	}
	o.log, err = audit.Open(dir.log(), audit.Options{Now: c.now, Warn: func(err error) { logger.Warn("audit log", zap.Error(err)) }})
	if err != nil {
		if errors.Is(err, audit.ErrBroken) {
			err = advise(err, "`sallyport audit verify` says where; nothing is appended to a broken log, and without a log nothing is released")
		}
		return nil, err
	}
	o.vault, err = quarantine.Open(dir.vault(), quarantine.Options{
		Quota: int64(c.Limits.Vault), QuarantineQuota: int64(c.Limits.Quarantine), ClientShare: int64(c.Limits.Client), Lost: o.lost, Now: c.now,
	})
	if err != nil {
		return nil, err
	}
	if o.memory, err = proxy.NewMemory(dir.memory()); err != nil {
		return nil, err
	}
	if err = o.openHistory(); err != nil {
		return nil, err
	}
	o.openRegrets()
	if err = o.recalled.load(context.Background(), dir); err != nil {
		return nil, err
	}
	if err = o.openApprovals(); err != nil {
		return nil, err
	}
	return o, recallReleases(context.Background(), dir, o.releases)
}

// close closes everything that is open, and gives up the lock last.
func (o *owner) close() error {
	errs := []error{o.closeHistory()}
	if o.log != nil {
		errs = append(errs, o.log.Close())
	}
	if o.vault != nil {
		errs = append(errs, o.vault.Close())
	}
	if o.lock != nil {
		o.lock.release()
	}
	return errors.Join(errs...)
}

// lost tells of an item that left the vault by itself.
func (o *owner) lost(l quarantine.Loss) {
	fields := []zap.Field{zap.Stringer("sha256", l.SHA256), zap.Int64("size", l.Size), zap.Stringer("state", l.State), zap.String("cause", string(l.Cause))}
	if l.State == quarantine.Released && l.Cause == quarantine.Evicted {
		o.logger.Debug("item left the vault", fields...)
		return
	}
	o.logger.Warn("item left the vault", fields...)
}

// recallReleases puts the releases that the log of a state directory holds in force, in the order in which they were
// given and taken back.
func recallReleases(ctx context.Context, dir stateDir, releases *proxy.Releases) error {
	var all []audit.Record
	for _, kind := range []audit.Kind{audit.KindRelease, audit.KindReject} {
		records, err := audit.List(ctx, dir.log(), audit.Filter{Kind: kind, Limit: math.MaxInt32})
		if err != nil {
			return fmt.Errorf("finding standing releases: %w", err)
		}
		all = append(all, records...)
	}
	slices.SortFunc(all, func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) })
	for _, rec := range all {
		console.Recall(releases, rec)
	}
	return nil
}

// append stores a record, and remembers how that went for /readyz.
func (o *owner) append(r audit.Record) (audit.Receipt, error) {
	receipt, err := o.log.Append(r)
	o.mu.Lock()
	o.appendError = err
	o.mu.Unlock()
	if err == nil && r.Kind == audit.KindRecall {
		r.ID, r.Time = receipt.ID(), receipt.Time()
		o.ledger.Add(r, nil)
	}
	if err == nil && r.Kind == audit.KindRecall {
		o.recalled.see(&r)
	}
	if err == nil && o.told != nil {
		r.ID, r.Time = receipt.ID(), receipt.Time()
		o.told(r)
	}
	return receipt, err
}

func (o *owner) lastAppend() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.appendError
}

// authority opens the CA, and makes and records one where there is none.
func (o *owner) authority() (*mitm.Authority, error) {
	isNew := !caExists(o.config, o.dir)
	options, err := caOptions(o.config, isNew)
	if err != nil {
		return nil, err
	}
	a, err := mitm.Open(o.dir.ca(), options)
	if err == nil && isNew {
		err = o.recordNewCA(a.Info())
	}
	return a, err
}

func (o *owner) recordNewCA(info mitm.Info) error {
	_, err := o.append(audit.Record{Kind: audit.KindCA, Message: fmt.Sprintf("made: %s, SHA-256 %s", info.Subject, info.Fingerprint)})
	return err
}

// rotate puts a new CA on disk. reload is called then, for whoever uses the old one; nil where nobody does.
func (o *owner) rotate(reload func() error) (mitm.Info, error) {
	options, err := caOptions(o.config, true)
	if err != nil {
		return mitm.Info{}, err
	}
	a, err := mitm.Rotate(o.dir.ca(), options)
	if err != nil {
		return mitm.Info{}, err
	}
	if reload != nil {
		if err := reload(); err != nil {
			return mitm.Info{}, fmt.Errorf("the new CA is on disk, but the server goes on with the old one: %w", err)
		}
	}
	return a.Info(), nil
}

// operator returns what carries out orders; reload takes up a CA that was replaced on disk, nil where nobody uses it.
func (o *owner) operator(reload func() error) *console.Operator {
	return &console.Operator{
		Vault:    o.vault,
		Append:   o.append,
		Record:   func(id string) (audit.Record, error) { return audit.Show(context.Background(), o.dir.log(), id) },
		Releases: o.releases,
		Rotate:   func() (mitm.Info, error) { return o.rotate(reload) },
		Snapshot: o.snapshot,
		Approval: o.approval, Approvals: o.approvals, Recalls: historyRecalls{o}, Now: o.config.now,
	}
}
