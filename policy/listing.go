package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// sentences says what feeds name, as far as anybody reads.
func sentences(list []*Listing) string {
	parts := make([]string, 0, min(len(list), maxQuoted+1))
	for i, l := range list {
		if i == maxQuoted {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		parts = append(parts, l.sentence())
	}
	return strings.Join(parts, "; ")
}

// sentence says what a feed names: `disk1.cab/ffmpeg.dll inside is on feed bad-hashes, line 3, since 2023-03-29: SmoothOperator
// (sha256 7986…)`.
func (l *Listing) sentence() string {
	s := l.named() + " is on feed " + printable.Text(l.Feed, 64)
	if l.Line > 0 {
		s += fmt.Sprintf(", line %d", l.Line)
	}
	if !l.Listed.IsZero() {
		s += ", since " + l.Listed.UTC().Format(time.DateOnly)
	}
	if l.Label != "" {
		s += ": " + printable.Text(l.Label, 200)
	}
	switch l.Kind {
	case "url", "domain", "host", "package": // named already
	default:
		s += " (" + printable.Text(l.Kind, 20) + " " + printable.Text(l.Value, 200) + ")"
	}
	return s
}

// named says what of the update a feed names. Of a URL that is the feed's own, since the one that was asked for may hold secrets.
func (l *Listing) named() string {
	what := "the file itself"
	if l.Path != "" {
		what = printable.Text(l.Path, 200) + " inside"
	}
	value := printable.Text(l.Value, 200)
	switch l.Kind {
	case "url":
		return "the URL it came from, " + value + ","
	case "domain", "host":
		return "the host it came from, " + value + ","
	case "package":
		if l.Match != "" {
			value = printable.Text(l.Match, 200)
		}
		return "the package that it is, " + value + ","
	case "cert-sha256", "cert-sha1", "cert-serial":
		return "a certificate that signed " + what
	}
	return what
}

func printed(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = printable.Text(s, 300)
	}
	return out
}

// old says why the silence of a feed means nothing: it was never loaded, or too long ago. It gives times, not ages, so that the
// same state has the same words.
func (r *Reputation) old(f *Feed, e *evidence) string {
	state := r.Feeds[f.Name]
	if f.Lookup != nil && state.Status != FeedOK {
		return unanswered(f.Name, state)
	}
	switch {
	case state.Status == FeedOK, state.Status == FeedStale && f.UseStale:
		return ""
	case state.Status != FeedStale:
		return "feed " + f.Name + " was never loaded, so that it is not known what it says"
	}
	const layout = "2006-01-02 15:04 MST"
	switch success, date := state.Success.UTC(), state.Date.UTC(); {
	case f.MaxStale > 0 && !success.IsZero() && e.now.Sub(success) > f.MaxStale:
		return fmt.Sprintf("feed %s is stale: it was last known to be the present one on %s, longer ago than %s", f.Name, success.Format(layout), spelled(f.MaxStale))
	case f.MaxAge > 0 && !date.IsZero() && e.now.Sub(date) > f.MaxAge:
		return fmt.Sprintf("feed %s is stale: it is of %s, longer ago than %s", f.Name, date.Format(layout), spelled(f.MaxAge))
	}
	return "feed " + f.Name + " is stale"
}

// spelled writes a duration as policies do.
func spelled(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
