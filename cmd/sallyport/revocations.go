package main

import (
	"errors"
	"fmt"
	"path"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/trust"
)

// checkRevocationList is the Check of proxy.RevocationOptions.
func checkRevocationList(name string, data, issuer, certificate []byte) (proxy.CheckedList, error) {
	ders, err := trust.SplitLists(data)
	if err != nil {
		return proxy.CheckedList{}, err
	}
	var got proxy.CheckedList
	err = errors.New("it holds no list")
	for _, der := range ders {
		l := &verify.RevocationList{Name: name, Data: der}
		info, wrong := trust.CheckList(l, issuer, certificate)
		switch {
		case wrong != nil && got.List == nil:
			err = wrong
		case wrong == nil && (got.List == nil || info.Covers && !got.Covers):
			err = nil
			got = proxy.CheckedList{List: l, Issuer: info.Issuer, ThisUpdate: info.ThisUpdate, NextUpdate: info.NextUpdate, Entries: info.Entries, Covers: info.Covers}
		}
	}
	return got, err
}

// checkPolicyLists reads every revocation list that a policy names: one that cannot be read keeps the policy from being
// used.
func checkPolicyLists(p *policy.Policy) error {
	var wrong policy.Errors
	for _, l := range p.RevocationLists() {
		if _, err := trust.ReadList(l); err != nil {
			message := fmt.Sprintf("revocation: the list %s cannot be read: %s", printable.Text(l.Name, 300), printable.Text(err.Error(), 500))
			found := p.ErrorAt("policy", "revocation", l.Name, message, "")
			if found.Line == 0 {
				found = p.ErrorAt("policy", "revocation", path.Dir(l.Name), message, "") // the list is in a folder
			}
			wrong = append(wrong, found)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// openRevocations opens the lists that a server keeps, to fetch them.
func (r *running) openRevocations() error {
	var err error
	r.revocations, err = proxy.OpenRevocations(proxy.RevocationOptions{
		Dir: r.owner.dir.revocation(), Check: checkRevocationList, Upstream: r.upstream, Append: r.owner.append,
		Wanted: func() bool { return r.policy.current.Load().FetchesRevocation() }, Logger: r.logger.Named("revocation"),
	})
	return err
}

// keptRevocations adds the lists that a server has kept to what is trusted, without changing anything.
func keptRevocations(dir stateDir, base verify.Trust, logger *zap.Logger) (verify.Trust, error) {
	kept, err := proxy.OpenRevocations(proxy.RevocationOptions{Dir: dir.revocation(), Check: checkRevocationList, Logger: logger})
	if err != nil {
		return base, err
	}
	return kept.Trust(base), nil
}
