package audit

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// outline is the part of a leaf that Each reads.
type outline struct {
	V        int              `json:"v"`
	Kind     Kind             `json:"kind"`
	ID       string           `json:"id"`
	Time     time.Time        `json:"time"`
	Client   *leafClient      `json:"client"`
	Request  *leafRequest     `json:"request"`
	Channel  string           `json:"channel"`
	Artifact *Artifact        `json:"artifact"`
	Editions []policy.Edition `json:"editions"`
	Decision *Decision        `json:"decision"`
	Tunnel   *Tunnel          `json:"tunnel"`
	Report   verify.Digest    `json:"report"`
	Facts    *Circumstances   `json:"facts"`
	Release  *Release         `json:"release"`
	Recall   *Recall          `json:"recall"`
	Decides  string           `json:"decides"`
	Message  string           `json:"message"`
}

// decodeOutline reads a record's line with its personal values.
func decodeOutline(raw rawRecord) (Record, error) {
	var o outline
	if err := json.Unmarshal(withoutSkipped(raw.line), &o); err != nil {
		return Record{}, fmt.Errorf("%w: %w", errNoRecord, err)
	}
	return o.record(raw.values)
}

func (o *outline) record(values *personal) (Record, error) {
	if o.V < 1 || o.Kind == "" || o.ID == "" {
		return Record{}, errNoRecord
	}
	l := leaf{Client: o.Client, Request: o.Request, Record: Record{
		V: o.V, Kind: o.Kind, ID: o.ID, Time: o.Time, Channel: o.Channel, Artifact: o.Artifact, Editions: o.Editions, Decision: o.Decision,
		Tunnel: o.Tunnel, Report: o.Report, Facts: o.Facts, Release: o.Release, Recall: o.Recall, Decides: o.Decides, Message: o.Message,
	}}
	return l.join(values), nil
}

// outlines decodes lines as decodeOutline does, and shares between them what they have in common: most records of a log tell of an
// update that many others tell of. What it returns is not to be changed. It is for one goroutine.
type outlines struct {
	line      partial[outline]
	client    partial[leafClient]
	request   partial[leafRequest]
	decisions shared[Decision]
	facts     partial[Circumstances]
	history   partial[policy.History]
	past      partial[policy.Past]
	release   partial[policy.PastRelease]
	records   texts // that releases name
	words     texts
}

func newOutlines() *outlines {
	o := &outlines{}
	o.line.names = []string{"id", "time", "client", "request", "decision", "facts", "findings", "contents", "evidence"}
	o.line.whole = func(l *outline) bool {
		return l.ID == "" && l.Time.IsZero() && l.Client == nil && l.Request == nil && l.Decision == nil && l.Facts == nil
	}
	o.client.names = []string{"addr", "user"}
	o.client.whole = func(c *leafClient) bool { return *c == leafClient{} }
	o.request.names = []string{"method", "url"}
	o.request.whole = func(r *leafRequest) bool { return *r == leafRequest{} }
	o.facts.names = []string{"history"}
	o.facts.whole = func(c *Circumstances) bool { return c.History == nil }
	o.history.names = []string{"past", "requests", "allowed"}
	o.history.whole = func(h *policy.History) bool { return h.Past == nil && h.Requests == 0 && h.Allowed == 0 }
	o.past.names = []string{"releases"}
	o.past.whole = func(p *policy.Past) bool { return p.Releases == nil }
	o.release.names = []string{"at", "record"}
	o.release.whole = func(r *policy.PastRelease) bool { return r.At.IsZero() && r.Record == "" }
	return o
}

func (o *outlines) decode(raw rawRecord) (Record, error) {
	var out outline
	if o.outlineOf(raw.line, &out) == len(raw.line) {
		return out.record(raw.values)
	}
	return decodeOutline(raw) // which knows all that JSON may look like, and what is wrong with what is none
}

// The functions that follow decode the value that begins at a place, and return the place behind it; below 0 where it is not written as
// the log writes it.

func (o *outlines) outlineOf(line []byte, out *outline) (end int) {
	var parts outline
	end = o.line.take(line, 0, out, func(i, at int) (end int) {
		switch i {
		case 0:
			parts.ID, end = text(line, at)
		case 1:
			parts.Time, end = moment(line, at)
		case 2:
			parts.Client, end = o.clientOf(line, at)
		case 3:
			parts.Request, end = o.requestOf(line, at)
		case 4:
			parts.Decision, end = o.decisions.take(line, at)
		case 5:
			parts.Facts, end = o.circumstancesOf(line, at)
		default:
			end = valueEnd(line, at)
		}
		return end
	})
	out.ID, out.Time, out.Client, out.Request, out.Decision, out.Facts = parts.ID, parts.Time, parts.Client, parts.Request, parts.Decision, parts.Facts
	return end
}

func (o *outlines) clientOf(line []byte, at int) (_ *leafClient, end int) {
	var c, parts leafClient
	end = o.client.take(line, at, &c, func(i, at int) (end int) {
		if i == 0 {
			parts.Addr, end = commitmentOf(line, at)
		} else {
			parts.User, end = commitmentOf(line, at)
		}
		return end
	})
	return &parts, end
}

func (o *outlines) requestOf(line []byte, at int) (_ *leafRequest, end int) {
	var r, parts leafRequest
	end = o.request.take(line, at, &r, func(i, at int) (end int) {
		if i == 0 {
			parts.Method, end = o.words.take(line, at)
		} else {
			parts.URL, end = commitmentOf(line, at)
		}
		return end
	})
	return &parts, end
}

// commitmentOf decodes a commitment as the log writes it.
func commitmentOf(line []byte, at int) (_ *commitment, end int) {
	const before, coded, after, size = `{"c":"`, 44, `"}`, 32
	end = at + len(before) + coded + len(after)
	if end > len(line) || string(line[at:at+len(before)]) != before || string(line[end-len(after):end]) != after {
		return nil, -1
	}
	raw := line[at+len(before) : end-len(after)]
	c := make([]byte, base64.StdEncoding.DecodedLen(coded))
	n, err := base64.StdEncoding.Decode(c, raw)
	if err != nil || n != size || !plain(raw) {
		return nil, -1
	}
	return &commitment{c[:n:n]}, end
}

func (o *outlines) circumstancesOf(line []byte, at int) (_ *Circumstances, end int) {
	var c Circumstances
	var history *policy.History
	end = o.facts.take(line, at, &c, func(_, at int) (end int) {
		history, end = o.historyOf(line, at)
		return end
	})
	c.History = history
	return &c, end
}

func (o *outlines) historyOf(line []byte, at int) (_ *policy.History, end int) {
	var h, parts policy.History
	end = o.history.take(line, at, &h, func(i, at int) (end int) {
		switch i {
		case 0:
			parts.Past, end = o.pastsOf(line, at)
		case 1:
			parts.Requests, end = whole(line, at)
		default:
			parts.Allowed, end = whole(line, at)
		}
		return end
	})
	h.Past, h.Requests, h.Allowed = parts.Past, parts.Requests, parts.Allowed
	return &h, end
}

func (o *outlines) pastsOf(line []byte, at int) (all map[string]policy.Past, end int) {
	all = map[string]policy.Past{}
	return all, eachMember(line, at, func(_ []byte, from, value int) int {
		channel, colon := o.words.take(line, from)
		if _, twice := all[channel]; twice || colon != value-1 {
			return -1
		}
		p, end := o.pastOf(line, value)
		all[channel] = p
		return end
	})
}

func (o *outlines) pastOf(line []byte, at int) (p policy.Past, end int) {
	var releases []policy.PastRelease
	end = o.past.take(line, at, &p, func(_, at int) int {
		releases = []policy.PastRelease{}
		return eachElement(line, at, func(at int) int {
			r, end := o.releaseOf(line, at)
			releases = append(releases, r)
			return end
		})
	})
	p.Releases = releases
	return p, end
}

func (o *outlines) releaseOf(line []byte, at int) (r policy.PastRelease, end int) {
	var parts policy.PastRelease
	end = o.release.take(line, at, &r, func(i, at int) (end int) {
		if i == 0 {
			parts.At, end = moment(line, at)
		} else {
			parts.Record, end = o.records.take(line, at)
		}
		return end
	})
	r.At, r.Record = parts.At, parts.Record
	return r, end
}
