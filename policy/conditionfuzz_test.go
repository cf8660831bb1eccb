package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-project/sallyport/verify"
)

// drawFacts draws what may be known of an update.
func drawFacts(t testing.TB, rt *rapid.T) Facts {
	f := facts(t, rapid.SampledFrom([]string{"https://v.example/dl/App.msi", "https://v.example/%62eta/x", "https://v.example/a;b"}).Draw(rt, "url"))
	finding := rapid.Custom(func(rt *rapid.T) verify.Finding {
		x := drawFinding(rt)
		x.Code = rapid.SampledFrom([]string{"x/y", "authenticode/signed", "unpack/limit", ""}).Draw(rt, "code")
		x.Signer.PrivateRoot = rapid.IntRange(0, 9).Draw(rt, "private") == 0
		if rapid.Bool().Draw(rt, "stamped") {
			x.SignedAt = now.Add(-time.Duration(rapid.Int64Range(0, 1<<50).Draw(rt, "ago")))
		}
		if rapid.Bool().Draw(rt, "states") {
			x.Method = "sigstore"
			x.Attestation = &verify.Attestation{Source: rapid.SampledFrom([]string{"", "x", "\xff"}).Draw(rt, "source")}
		}
		return x
	})
	f.Report.Findings = rapid.SliceOfN(finding, 0, 5).Draw(rt, "findings")
	f.Update.Size = rapid.Int64Min(-1).Draw(rt, "size")
	f.Update.Name = rapid.String().Draw(rt, "name")
	f.Update.Format = rapid.SampledFrom([]verify.Format{"", "msi", "pe"}).Draw(rt, "format")
	f.Report.Version = rapid.SampledFrom([]string{"", "1.0", "\xff\x00"}).Draw(rt, "version")
	if rapid.Bool().Draw(rt, "opened") {
		f.Report.Contents = &verify.Contents{Files: 1, Unread: rapid.IntRange(0, 1).Draw(rt, "unread"), Inner: []verify.Inner{{Path: "inner.dll", Format: "pe", Size: rapid.Int64().Draw(rt, "inner")}}}
	}
	if rapid.Bool().Draw(rt, "local") {
		f.Request = Request{Carried: []Carried{{Scope: "c"}}}
	}
	return f
}

// someExpressions look at every kind of fact.
var someExpressions = append([]string{
	"update.size < 2 * GiB && update.format in ['msi', 'dmg']", "update.size * update.size > 0", "update.name.size() < 5 || update.version == '1.0'",
	"request.path.startsWith('/beta')", "request.client.address == '192.0.2.7'", "contents.files < 5", "contents.unsigned == 0",
	"contents.inner.exists(i, i.size > 5 && i.path.endsWith('.dll'))", "contents.findings.exists(f, f.status == 'valid')", "!has_finding_inside('x/y')",
	"findings.exists(f, f.signed_at < now)", "findings.all(f, !has(f.signed_at) || now - f.signed_at > days(3))", "findings[0].code == 'x/y'",
	"has_finding('authenticode/signed') ? update.size > 5 : signed_by('deb')", "string(update.size).contains('1')", "int(update.version) > 0",
	"update.name.matches('^[a-z]+$')", "attestations.exists(a, a.workload.run == '')", "findings.exists(f, findings.exists(g, f.code == g.code && f.method != g.method))",
}, evidenceExpressions...)

// An expression and its opposite are each the other's opposite, or cannot be told, both of them; and the same facts give the same answer.
func TestOppositesAreOpposites(t *testing.T) {
	policies := map[string][2]*Policy{}
	for _, x := range someExpressions {
		policies[x] = [2]*Policy{withRequirement(t, ifRequirement(x)), withRequirement(t, ifRequirement("!("+x+")"))}
	}
	rapid.Check(t, func(rt *rapid.T) {
		f := drawFacts(t, rt)
		for x, p := range policies {
			checkOpposites(rt, x, p[0], p[1], f)
		}
	})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func outcomeOf(p *Policy, f Facts) (outcome, string) {
	pl := p.plan(f.Request)
	e := &evidence{sum: f.Update.SHA256, findings: f.Report.Findings, contents: f.Report.Contents, now: f.Now, facts: &f, policy: p, host: pl.host, readings: pl.readings}
	return p.channels[0].requires[0].judge(e)
}

func checkOpposites(t fataler, x string, p, q *Policy, f Facts) {
	a, whyA := outcomeOf(p, f)
	b, whyB := outcomeOf(q, f)
	if want := map[outcome]outcome{holds: fails, fails: holds, undecided: undecided}[a]; b != want {
		t.Fatalf("%s is %d (%s), and its opposite %d (%s)", x, a, whyA, b, whyB)
	}
	if again, why := outcomeOf(p, f); again != a || why != whyA {
		t.Fatalf("%s is %d (%s), and then %d (%s)", x, a, whyA, again, why)
	}
	if len(whyA) > 6000 || strings.ContainsAny(whyA, "\x00\n\x1b") {
		t.Fatalf("the reason of %s is %q", x, whyA)
	}
}

// Whatever is written as an expression is loaded or refused, and can be judged by if it is loaded.
func FuzzIf(f *testing.F) {
	for _, x := range someExpressions {
		f.Add(x, []byte{1, 2, 3})
	}
	for _, x := range []string{"((((", "a.b.c(d)[e]{f: 1}", "'\\u", "[[[[[]]]]]", "has(update)", "x.all(y, z)", "1u + 0x1F - 1e400 > 5.", "b'\\xff' == r'x'", "{1: 2, 'a': 3}", "findings.map(f, f.code == 'a', f).size() > 0",
		"findings.exists_one(update, true)", ".now > now", "true ? 1 : 'a'", "signers[-1].name == ''", "`a`.b", "update.?name", "cel.@block([1], 2)", "@result", "__result__ == 1"} {
		f.Add(x, []byte{0})
	}
	f.Fuzz(func(t *testing.T, x string, seed []byte) {
		if len(x) > maxText || strings.ContainsAny(x, "\x00") {
			return
		}
		src := fmt.Sprintf(decidePolicy, ifRequirement(x), thumb, sum(1))
		p, err := Parse("p", testFiles(), []byte(src))
		if err != nil {
			var es Errors
			if !errors.As(err, &es) || len(es) > maxErrors+1 {
				t.Fatalf("the error is %#v", err)
			}
			for _, e := range es {
				if e.Line < 1 || e.Line > strings.Count(src, "\n")+1 || e.Column < 1 || e.Message == "" || len(e.Message) > 2000 {
					t.Fatalf("%+v", e)
				}
			}
			return
		}
		q, err := Parse("p", testFiles(), []byte(fmt.Sprintf(decidePolicy, ifRequirement("!("+x+")"), thumb, sum(1))))
		if err != nil || len(p.channels[0].requires) != 1 {
			return // a limit, or a comment, which ends in the bracket
		}
		for i := range 3 {
			rapid.Custom(func(rt *rapid.T) int {
				checkOpposites(t, x, p, q, drawFacts(t, rt))
				return 0
			}).Example(len(seed) + i)
		}
	})
}
