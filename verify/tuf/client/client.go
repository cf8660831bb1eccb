// Package client is the TUF client engine of the tuf format for programs that are no format: conformance suites drive through
// it the very code that judges updates. Package tufclient documents it.
package client

import "github.com/sallyport-project/sallyport/verify/internal/tufclient"

// The names of the engine.
type (
	Client = tufclient.Client
	Error  = tufclient.Error
	Fetch  = tufclient.Fetch
	Limits = tufclient.Limits
	Store  = tufclient.Store
	Target = tufclient.Target
)

// New returns a Client that trusts root, root metadata, from the beginning.
func New(root []byte, store Store, limits Limits) *Client { return tufclient.New(root, store, limits) }
