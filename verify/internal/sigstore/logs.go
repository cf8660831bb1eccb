package sigstore

import (
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/tlog"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
)

// checkLogs verifies the entries of transparency logs, also those that are not demanded: an entry of a log of the instance that
// does not fit is a sign of tampering. Entries of other logs say nothing. The times that logs promise are trusted times.
func (v *verification) checkLogs() error {
	v.stamps, v.stampsErr = v.readStamps()
	v.material.logs = v.logsInUse()
	for _, e := range v.entries {
		// sigstore-go compares an entry of version 2 with the bundle only by the hash it has in a tree of version 2.
		if e.IsRekorV2() && headOfV1(e) {
			return fail(LogEntry, "an entry of Rekor version 2 is in a tree of version 1")
		}
	}
	if len(v.entries) == 0 || len(v.material.logs) == 0 {
		return v.countLogs(nil, false)
	}
	times, err := sgverify.VerifyTlogEntry(v.entity, v.material, v.Rekor, true)
	enough := err == nil
	if !enough {
		if err := v.diagnose(err); code(err) != Threshold {
			return err
		}
		if times, err = sgverify.VerifyTlogEntry(v.entity, v.material, 0, true); err != nil {
			return fail(LogEntry, "the log's entry does not fit: %s", reason(err))
		}
	}
	for _, t := range times {
		v.times = append(v.times, t.Time)
	}
	return v.countLogs(v.entries, enough)
}

// countLogs counts the logs of entries that sigstore-go has not refused. Among several it passes over one whose promise does not
// verify; here that is a sign of tampering, too. An entry with a proof alone counts only if the log was in use at a time that another
// log promises, where there is any and no timestamp (see logsInUse).
func (v *verification) countLogs(entries []*tlog.Entry, enough bool) error {
	counted := map[string]bool{}
	for _, e := range entries {
		id := logID(e)
		if v.material.logs[id] == nil {
			continue
		}
		if only := enough && v.Rekor > 0 && len(entries) == 1; !only && e.HasInclusionPromise() {
			if err := tlog.VerifySET(e, v.material.logs); err != nil {
				return fail(LogEntry, "the log's promise to include the entry does not verify: %s", reason(err))
			}
		}
		if proofAlone := !e.HasInclusionPromise(); proofAlone && len(v.stamps.times) == 0 && len(v.times) > 0 && !inUse(v.material.logs[id], v.times) {
			continue
		}
		counted[id] = true
	}
	if v.out.Logs = len(counted); v.out.Logs < v.Rekor {
		v.short = fail(Threshold, "%d transparency logs of the instance vouch for it, %d are asked for", v.out.Logs, v.Rekor)
	}
	return nil
}

// promised reports whether all entries of the log come with a promise.
func (v *verification) promised(id string) bool {
	for _, e := range v.entries {
		if logID(e) == id && !e.HasInclusionPromise() {
			return false
		}
	}
	return true
}

func logID(e *tlog.Entry) string { return hex.EncodeToString([]byte(e.LogKeyID())) }

// treeOfV1 is the origin of a checkpoint of Rekor version 1, which ends in the number of the tree.
var treeOfV1 = regexp.MustCompile(" - [0-9]+$")

func headOfV1(e *tlog.Entry) bool {
	origin, _, _ := strings.Cut(e.TransparencyLogEntry().GetInclusionProof().GetCheckpoint().GetEnvelope(), "\n")
	return treeOfV1.MatchString(origin)
}
