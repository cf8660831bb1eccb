package checksums

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
	"github.com/sallyport-project/sallyport/verify/internal/pgp"
	"github.com/sallyport-project/sallyport/verify/internal/signify"
)

// keys are all keys that a list can be signed with.
type keys struct {
	at                time.Time
	keyrings          []verify.Keyring
	parsed            []*pgp.Keyring // once a signature needs them
	minisign, signify []signify.Holder
}

func keysOf(env verify.Env) (*keys, error) {
	k := &keys{at: env.At, keyrings: env.Trust.Keyrings}
	var err error
	if k.minisign, err = signify.Holders(env.Trust, "minisign"); err != nil {
		return nil, err
	}
	k.signify, err = signify.Holders(env.Trust, "signify")
	return k, err
}

func (k *keys) none() bool { return len(k.keyrings)+len(k.minisign)+len(k.signify) == 0 }

// voucher is a key that has signed a list.
type voucher struct {
	who     verify.Identity
	anchors []string
	ends    time.Time // zero if never
}

// signed is a text of which it was found out who signed it.
type signed struct {
	text     []byte
	where    string // for people: the list, and its signature if that is another file
	vouchers []voucher
	refusal  string // why there are none
	evidence []verify.Reference
}

// own reads a list that carries its signature in itself: a cleartext signed message, or signify's embedded form.
func (k *keys) own(l beside.Sidecar) (*signed, bool, error) {
	s := &signed{where: l.Ref, evidence: []verify.Reference{l.Reference()}}
	if sig, err := signify.Parse(l.Data); err == nil && sig.Message != nil {
		s.text = sig.Message
		s.signify(k.signify, sig, sig.Message, "signify")
		return s, true, nil
	}
	text, sig, err := pgp.SplitClearsigned(l.Data)
	switch {
	case errors.Is(err, pgp.ErrNotClearsigned):
		return nil, false, nil
	case err != nil:
		s.refusal = err.Error()
		return s, true, nil
	}
	s.text = text
	return s, true, k.openpgp(s, text, sig)
}

// beside reads what may be the signature of a list. It reports false where that is no signature at all.
func (k *keys) beside(l, sig beside.Sidecar, name string) (*signed, bool, error) {
	if s, ok, err := k.own(sig); ok || err != nil {
		return s, ok, err
	}
	s := &signed{text: l.Data, where: l.Ref + " with " + sig.Ref, evidence: []verify.Reference{l.Reference(), sig.Reference()}}
	if pgp.IsSignature(sig.Data) {
		return s, true, k.openpgp(s, l.Data, sig.Data)
	}
	parsed, err := signify.Parse(sig.Data)
	switch {
	case errors.Is(err, signify.ErrOther):
		return nil, false, nil
	case err != nil:
		s.refusal = err.Error()
	case parsed.Minisign && !parsed.Names(name):
		s.refusal = fmt.Sprintf("the signature is of a file called %.100q", parsed.Fields().File)
	case parsed.Minisign:
		s.signify(k.minisign, parsed, l.Data, "minisign")
	case parsed.Prehashed:
		s.refusal = "signify makes no signatures over a digest"
	default:
		s.signify(k.signify, parsed, l.Data, "signify")
	}
	return s, true, nil
}

func (s *signed) signify(holders []signify.Holder, sig *signify.Signature, text []byte, system string) {
	s.refusal = fmt.Sprintf("no anchor has the %s key %s", system, sig.ID)
	for _, h := range signify.WithID(holders, sig.ID) {
		check := signify.NewCheck(sig, h.Key)
		check.Write(text)
		if err := check.Err(); err != nil {
			s.refusal = err.Error()
			continue
		}
		s.vouchers = append(s.vouchers, voucher{who: h.Identity(system), anchors: h.Anchors})
	}
}

// openpgp verifies the signatures of a text under every keyring. A list is small, and its line endings mean nothing, so
// signatures over text will do.
func (k *keys) openpgp(s *signed, text, sig []byte) error {
	if len(k.keyrings) == 0 {
		s.refusal = "no anchor has OpenPGP keys"
		return nil
	}
	if k.parsed == nil {
		for _, r := range k.keyrings {
			parsed, err := pgp.ParseKeyring(r.Data)
			if err != nil {
				return fmt.Errorf("anchor %s: %w", r.Anchor, err)
			}
			k.parsed = append(k.parsed, parsed)
		}
	}
	found := map[string]int{} // by fingerprint: where among the vouchers
	for i, ring := range k.parsed {
		all, err := ring.Verify(text, sig, k.at)
		if err != nil {
			return fmt.Errorf("anchor %s: %w", k.keyrings[i].Anchor, err)
		}
		for _, one := range all {
			if one, err = k.again(ring, text, sig, one); err != nil {
				return err
			}
			if one.Outcome == pgp.Good {
				s.add(one, k.keyrings[i].Anchor, found)
			} else if s.refusal == "" || one.Outcome > pgp.Unknown {
				s.refusal = strings.TrimSpace("the signature by key " + one.KeyID + ": " + one.Reason)
			}
		}
	}
	if len(s.vouchers) == 0 && s.refusal == "" {
		s.refusal = "there is no signature in it"
	}
	return nil
}

// again judges a signature that is dated a little ahead of our clock as of its own date.
func (k *keys) again(ring *pgp.Keyring, text, sig []byte, one pgp.Signature) (pgp.Signature, error) {
	if !one.NotBegun || one.Created.Sub(k.at) > pgp.ClockTolerance {
		return one, nil
	}
	all, err := ring.Verify(text, sig, one.Created)
	if err != nil {
		return one, err
	}
	for _, s := range all {
		if s.Outcome == pgp.Good && s.KeyID == one.KeyID && s.Created.Equal(one.Created) {
			return s, nil
		}
	}
	return one, nil
}

func (s *signed) add(one pgp.Signature, anchor string, found map[string]int) {
	i, ok := found[one.Fingerprint]
	if !ok {
		i = len(s.vouchers)
		found[one.Fingerprint] = i
		s.vouchers = append(s.vouchers, voucher{who: verify.Identity{Name: one.UserID, Fingerprint: one.Fingerprint}, ends: one.KeyEnds})
	}
	v := &s.vouchers[i]
	if len(v.anchors) == 0 || v.anchors[len(v.anchors)-1] != anchor {
		v.anchors = append(v.anchors, anchor)
	}
	if !one.KeyEnds.IsZero() && (v.ends.IsZero() || one.KeyEnds.Before(v.ends)) {
		v.ends = one.KeyEnds
	}
}
