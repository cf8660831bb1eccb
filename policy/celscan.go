package policy

import (
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

var scanWords = []string{"clean", "found"}

// scanned is what a scanner says, with its name.
type scanned struct {
	scanner string
	Scan
}

func (o *object) scan() *scanned { return o.data.(*scanned) }

func (o *object) hit() ScanHit { return o.data.(ScanHit) }

var hitFacts = newFactType("a hit",
	text("name", "what was found, as the scanner calls it", func(o *object) string { return o.hit().Name }),
	text("path", "the inner file in which: `disk1.cab/ffmpeg.dll`; empty for the update itself", func(o *object) string { return o.hit().Path }),
)

var scanFacts = newFactType("a scan",
	text("scanner", "the scanner's name in the policy", func(o *object) string { return o.scan().scanner }),
	fact{"status", types.StringType, "`clean`: everything was scanned, and nothing found; `found`", "not everything could be scanned, and nothing was found", scanWords, func(o *object) (any, error) {
		s := o.scan()
		switch {
		case s.Status == ScanFound || len(s.Hits) > 0:
			return ScanFound.String(), nil
		case s.Status == ScanClean && s.Inside:
			return ScanClean.String(), nil
		}
		return nil, unknown("scanner %s could not tell: %s", s.scanner, s.why())
	}},
	text("engine", "the scanner with the versions of its engine and its signatures; empty if it does not say", func(o *object) string { return o.scan().Engine }),
	number64("files", "how many files were scanned, the update itself included", func(o *object) int64 { return int64(o.scan().Files) }),
	fact{"hits", types.NewListType(hitFacts.cel), "what was found", "likewise; of more than 16 hits, all that the others could change", nil, func(o *object) (any, error) {
		s := o.scan()
		out := make([]ref.Val, len(s.Hits))
		for i, h := range s.Hits {
			out[i] = &object{typ: hitFacts, in: o.in, data: h}
		}
		if s.whole() {
			return out, nil
		}
		o.in.partial = unknown("it could not be told what else scanner %s would find: %s", s.scanner, s.why())
		if len(out) == 0 {
			return nil, o.in.partial
		}
		return newThingList(out, o.in.partial), nil
	}},
)

// whole reports whether the hits are all that there are.
func (s *Scan) whole() bool {
	return s.Inside && s.Status != ScanFailed && s.Reason == "" && (s.Status == ScanFound) == (len(s.Hits) > 0)
}

// scansFact is what all scanners of the policy say.
var scansFact = fact{"scans", types.NewListType(scanFacts.cel), "what every scanner of the policy says of the update and all that is inside", "a scanner was not asked", nil, func(o *object) (any, error) {
	out := []ref.Val{}
	for _, s := range o.in.of.scanners {
		of, asked := o.in.facts.Scans[s.Name]
		if !asked {
			return nil, unknown("scanner %s was not asked", s.Name)
		}
		out = append(out, &object{typ: scanFacts, in: o.in, data: &scanned{s.Name, of}})
	}
	return out, nil
}}

// scansRead has an expression that looks at scans ask all scanners.
func (b *builder) scansRead(x *expression, c *condition) {
	if !c.reads["scans"] {
		return
	}
	if len(b.policy.scanners) == 0 {
		x.add(0, "", "it asks what scanners say, but the policy has none")
	}
	c.scanners = slices.Clone(b.policy.scanners)
	for _, s := range c.scanners {
		b.scanned[s.Name] = true
	}
}
