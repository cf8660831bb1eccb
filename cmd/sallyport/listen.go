package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

// listeners are the addresses that the server answers on.
type listeners struct {
	proxy   []net.Listener
	console []net.Listener // none if the console is off
	control net.Listener
}

// openListeners takes the sockets that systemd has opened, by the names "proxy" and "console", and opens those that it
// has not.
func openListeners(c config, dir stateDir) (l listeners, err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	given, err := activation.ListenersWithNames()
	if err != nil {
		return l, fmt.Errorf("taking the sockets from systemd: %w", err)
	}
	for name, ls := range given {
		switch name {
		case "proxy":
			l.proxy = ls
		case "console":
			l.console = ls
		default:
			for _, other := range ls {
				other.Close()
			}
			return l, advise(fmt.Errorf("systemd gave a socket with the name %q", name),
				"FileDescriptorName= in the socket unit is to be proxy or console")
		}
	}
	if len(l.proxy) == 0 {
		one, err := listen("listen", string(c.Listen))
		if err != nil {
			return l, err
		}
		l.proxy = append(l.proxy, one)
	}
	if len(l.console) == 0 && c.Console != "" {
		one, err := listen("console", string(c.Console))
		if err != nil {
			return l, err
		}
		l.console = append(l.console, one)
	}
	l.control, err = listenControl(dir)
	return l, err
}

func listen(what, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, advise(fmt.Errorf("%s: opening %s: %w", what, addr, syscall.EADDRINUSE), "another program has this address; choose one: --"+what+" ADDR")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: opening %s: %w", what, addr, err)
	}
	return l, nil
}

// listenControl opens the control socket for its owner alone. The caller has the lock of the state directory, so that
// a socket that lies there is a dead server's.
func listenControl(dir stateDir) (net.Listener, error) {
	path := dir.control()
	// sun_path has 108 bytes on Linux and 104 elsewhere, the final NUL included.
	if len(path) > 103 {
		return nil, advise(fmt.Errorf("the name of the control socket is too long for the system: %s", path),
			"choose a state directory with a shorter name: --state DIR")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing an old control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	// The directory is closed to others; this is for the day when somebody opens it.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	return l, nil
}

// own returns the addresses that the proxy must not be led back to.
func (l listeners) own() []net.Addr {
	var all []net.Addr
	for _, one := range append(append([]net.Listener(nil), l.proxy...), l.console...) {
		all = append(all, one.Addr())
	}
	return all
}

func (l listeners) close() {
	for _, one := range append(append([]net.Listener(nil), l.proxy...), l.console...) {
		one.Close()
	}
	if l.control != nil {
		l.control.Close()
	}
}

// serverRunning reports whether a server answers on the control socket.
func serverRunning(dir stateDir) bool {
	c, err := net.DialTimeout("unix", dir.control(), 2*time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
