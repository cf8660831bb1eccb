package tufclient

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"

	"github.com/sallyport-project/sallyport/verify"
)

// fileName returns the name of a role's file below the metadata URL (section 6.2), escaped.
func fileName(role string, version int64, consistent bool) string {
	name := url.PathEscape(role) + ".json"
	if consistent {
		return fmt.Sprintf("%d.%s", version, name)
	}
	return name
}

// get fetches a file.
func get(ctx context.Context, fetch Fetch, role, name string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if fetch == nil {
		return nil, failf(Unavailable, role, "%s is not there, and nothing is fetched here", name)
	}
	data, err := fetch(ctx, name, limit)
	switch {
	case err == nil && int64(len(data)) > limit, errors.Is(err, verify.ErrTooLarge):
		return nil, failf(Oversize, role, "%s has more than %d bytes", name, limit)
	case err == nil:
		return data, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, verify.ErrNotExist):
		return nil, &Error{Code: Unavailable, Role: role, Detail: name + " is not on the repository", Err: err}
	}
	return nil, &Error{Code: Unavailable, Role: role, Detail: fmt.Sprintf("%s could not be fetched: %v", name, err), Err: err}
}

// missing reports whether the origin says that there is no such file.
func missing(err error) bool { return errors.Is(err, verify.ErrNotExist) }

// getListed fetches the file that other metadata lists as e.
func (c *Client) getListed(ctx context.Context, fetch Fetch, role string, e *listed, consistent bool, limit int64) ([]byte, error) {
	if e.length > limit {
		return nil, failf(Oversize, role, "%s is listed with %d bytes, more than %d", role, e.length, limit)
	}
	if e.length >= 0 {
		limit = e.length
	}
	data, err := get(ctx, fetch, role, fileName(role, e.version, consistent), limit)
	if err != nil {
		return nil, err
	}
	// Before anything is read of it (sections 5.5.2 and 5.6.2).
	d := document{role: role, version: e.version, sums: sums{length: int64(len(data))}}
	if e.sha256 != nil {
		d.sums.sha256 = sha256.Sum256(data)
	}
	if err := d.matches(e, data); err != nil {
		return nil, err
	}
	return data, nil
}
