package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// refresh fetches one list, checks it and puts it in force. After a failure the one before stays.
func (r *Revocations) refresh(ctx context.Context, s *revocationSource) {
	ctx, cancel := context.WithTimeout(ctx, revocationTime)
	defer cancel()
	r.mu.Lock()
	had := s.list
	r.mu.Unlock()
	data, err := r.fetch(ctx, s.url)
	var got CheckedList
	if err == nil {
		got, err = r.Check(s.url, data, s.issuer, s.named)
	}
	now := r.Now()
	if err == nil {
		err = newerThan(got, had, now)
	}
	if err == nil {
		err = r.fits(s, got)
	}
	if err != nil {
		r.mu.Lock()
		s.tried, s.fails = now, s.fails+1
		r.mu.Unlock()
		r.Logger.Warn("fetching a revocation list; what is there stays in force", zap.String("url", printable.Text(s.url, 300)), zap.Error(err))
		r.store(s)
		return
	}
	sum := sha256.Sum256(got.List.Data)
	r.mu.Lock()
	changed := s.list == nil || s.sum != sum
	s.tried, s.fetched, s.fails = now, now, 0
	if changed {
		s.list, s.sum = &got, sum
		r.generation++
	}
	r.mu.Unlock()
	r.store(s)
	if changed {
		r.tell(s, got)
	}
}

// tell has the log say which list is in force now: decisions after it may differ.
func (r *Revocations) tell(s *revocationSource, got CheckedList) {
	text := fmt.Sprintf("revocation list by %s of %s, %d entries, from %s, sha256:%s", printable.Text(got.Issuer, 200),
		got.ThisUpdate.UTC().Format(time.RFC3339), got.Entries, printable.Text(s.url, 500), s.sum)
	r.Logger.Info("a revocation list came into force", zap.String("list", text))
	if r.Append == nil {
		return
	}
	if _, err := r.Append(audit.Record{Kind: audit.KindLearn, Message: text}); err != nil {
		r.Logger.Error("recording a revocation list", zap.Error(err))
	}
}

// newerThan refuses what would take knowledge away: an old list, sent again by somebody on the way; another list of the
// issuer's, for other certificates or of changes only, in the place of the right one; and one of the future.
func newerThan(got CheckedList, had *CheckedList, now time.Time) error {
	switch {
	case had != nil && had.Covers && !got.Covers:
		return errors.New("it is for other certificates than the list that is there")
	case had != nil && had.Covers == got.Covers && got.ThisUpdate.Before(had.ThisUpdate):
		return fmt.Errorf("it is of %s, older than the list of %s that is there", got.ThisUpdate.UTC().Format(time.RFC3339), had.ThisUpdate.UTC().Format(time.RFC3339))
	case got.ThisUpdate.After(now.Add(24 * time.Hour)):
		return fmt.Errorf("it is of %s, which has not come yet", got.ThisUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// fits refuses a list for which there is no room.
func (r *Revocations) fits(s *revocationSource, got CheckedList) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := len(got.List.Data)
	for _, o := range r.by {
		if o != s && o.list != nil {
			total += len(o.list.List.Data)
		}
	}
	if total > revocationTotal {
		return fmt.Errorf("all lists together would have more than %d bytes", revocationTotal)
	}
	return nil
}

const revocationRedirects = 3

// fetch gets what is at a URL, and follows a few redirects.
func (r *Revocations) fetch(ctx context.Context, target string) ([]byte, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	for range revocationRedirects + 1 {
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return nil, fmt.Errorf("%s is no address to fetch a list from", redactedURL(u))
		}
		body, next, err := r.fetchOnce(ctx, u)
		if err != nil || next == nil {
			return body, err
		}
		u = next
	}
	return nil, fmt.Errorf("more than %d redirects", revocationRedirects)
}

func (r *Revocations) fetchOnce(ctx context.Context, u *url.URL) (body []byte, next *url.URL, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/pkix-crl, */*")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := r.Upstream.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		next, err := u.Parse(resp.Header.Get("Location"))
		return nil, next, err
	default:
		return nil, nil, fmt.Errorf("the origin answered %d", resp.StatusCode)
	}
	if resp.ContentLength > revocationList {
		return nil, nil, fmt.Errorf("it has more than %d bytes", revocationList)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, revocationList+1))
	if err == nil && len(body) > revocationList {
		err = fmt.Errorf("it has more than %d bytes", revocationList)
	}
	if err == nil && len(body) == 0 {
		err = errors.New("it is empty")
	}
	return body, nil, err
}
