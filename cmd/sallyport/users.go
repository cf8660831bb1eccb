package main

import (
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy"
)

// userFile is the htpasswd file and the users in force; nil where everybody may use the proxy.
type userFile struct {
	path    string
	current atomic.Pointer[proxy.Credentials]
	log     *zap.Logger
	what    string // in messages; "" is "proxy users"
}

// now returns the users in force; nil where nobody is asked.
func (f *userFile) now() *proxy.Credentials {
	if f == nil {
		return nil
	}
	return f.current.Load()
}

func (f *userFile) called() string {
	if f.what == "" {
		return "proxy users"
	}
	return f.what
}

// loadUsers reads the htpasswd file at path; "" is none.
func loadUsers(path string, log *zap.Logger) (*userFile, error) {
	if path == "" {
		return nil, nil
	}
	users, err := proxy.LoadHtpasswd(path)
	if err != nil {
		return nil, err
	}
	f := &userFile{path: path, log: log}
	f.current.Store(users)
	return f, nil
}

// credentials returns what the proxy asks at each request, nil where it asks nobody.
func (f *userFile) credentials() func() *proxy.Credentials {
	if f == nil {
		return nil
	}
	return f.current.Load
}

// reload reads the file again. One that is broken leaves the users before in force.
func (f *userFile) reload() {
	if f == nil {
		return
	}
	users, err := proxy.LoadHtpasswd(f.path)
	if err != nil {
		f.log.Error(f.called()+" NOT reloaded: those before stay in force", zap.String("htpasswd", f.path),
			zap.String("error", printable.Text(err.Error(), 500)))
		return
	}
	f.current.Store(users)
	f.log.Info(f.called()+" reloaded", zap.String("htpasswd", f.path))
}
