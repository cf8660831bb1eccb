package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

func newServe() *cobra.Command {
	var s settings
	var policyPath string
	var listen, consoleAddr hostPort
	var confirmed bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: `Run the proxy. With no configuration and no state it makes a state directory, a CA and an audit log, takes the
built-in policy, listens on 127.0.0.1:3128, opens the console on 127.0.0.1:8640, and says what to type next.

SIGHUP reads the policy again, and the htpasswd file; a change of the policy or of a file that it names does the
same for the policy. SIGTERM and SIGINT stop the proxy when the downloads in
flight have ended, or shutdown_grace has; a second one stops it at once.

A policy that would let through what was refused in the last 30 days, and what the policy in force refuses, does not come into
force until somebody confirms it: "sallyport policy reload --confirm-loosening". That holds for a start, too: the policy that
was in force last goes on until then.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, dir, err := s.load()
			if err != nil {
				return err
			}
			if policyPath != "" {
				c.Policy = policyPath
			}
			if cmd.Flags().Changed("listen") {
				c.Listen = listen
			}
			if cmd.Flags().Changed("console") {
				c.Console = consoleAddr
			}
			if confirmed {
				c.confirmLoosening = whoami()
			}
			if c.Listen == "" {
				return errors.New("the proxy needs an address to listen on: --listen ADDR")
			}
			return serve(cmd.Context(), c, dir, cmd.ErrOrStderr())
		},
	}
	s.addTo(cmd)
	cmd.Flags().StringVar(&policyPath, "policy", "", "policy `FILE`; without one the built-in policy holds")
	cmd.Flags().Var(textFlag{&listen}, "listen", "`ADDR` of the proxy (default 127.0.0.1:3128)")
	cmd.Flags().Var(textFlag{&consoleAddr}, "console", "`ADDR` of the console, or off (default 127.0.0.1:8640)")
	cmd.Flags().BoolVar(&confirmed, "confirm-loosening", false, "put the policy in force although it lets through what the one before had refused")
	cmd.MarkFlagFilename("policy", "yaml", "yml")
	return cmd
}

// serve runs the proxy until it is told to stop.
func serve(ctx context.Context, c config, dir stateDir, stderr io.Writer) error {
	if ctx == nil {
		ctx = context.Background()
	}
	logger := newLogger(c.Log, stderr)
	defer logger.Sync()
	// From here on signals are ours: nothing is left half made because somebody was impatient.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)

	r, err := start(c, dir, logger)
	if err != nil {
		return err
	}
	if err := r.announce(stderr); err != nil {
		logger.Warn("saying what to type next", zap.Error(err))
	}
	daemon.SdNotify(false, "READY=1")
	runErr := r.run(ctx, signals)

	daemon.SdNotify(false, daemon.SdNotifyStopping)
	grace, cancel := context.WithTimeout(context.Background(), time.Duration(c.ShutdownGrace))
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-signals:
				if sig != syscall.SIGHUP {
					logger.Warn("stopping at once", zap.Stringer("signal", sig))
					cancel()
					return
				}
			case <-stopped:
				return
			}
		}
	}()
	err = r.stop(grace, runErr)
	close(stopped)
	return errors.Join(runErr, err)
}

// run waits for what happens: signals, changes of the policy, a server that fails. It returns nil when the proxy is
// to stop.
func (r *running) run(ctx context.Context, signals <-chan os.Signal) error {
	watchdog := watchdogTicks()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-r.failed:
			return err
		case <-r.policyChanged:
			r.watching.Go(func() { r.policy.reload(r.watched) }) // comparing may take a while
		case <-watchdog:
			daemon.SdNotify(false, daemon.SdNotifyWatchdog)
		case sig := <-signals:
			r.logger.Info("signal", zap.Stringer("signal", sig))
			if sig != syscall.SIGHUP {
				return nil
			}
			daemon.SdNotify(false, reloading())
			r.watching.Go(func() {
				r.policy.asked(r.watched)
				r.users.reload()
				r.owner.approvers.reload()
				daemon.SdNotify(false, "READY=1")
			})
		}
	}
}

// watchdogTicks ticks twice as often as systemd's WatchdogSec wants to hear from us; never, if it does not.
func watchdogTicks() <-chan time.Time {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return nil
	}
	return time.Tick(every / 2)
}

// announce says what to type next, for somebody who has just started it.
func (r *running) announce(w io.Writer) error {
	address := r.proxyAddress()
	if len(r.listeners.console) == 0 {
		_, err := fmt.Fprintf(w, "sallyport: proxy on %s, state in %s\nsallyport: try: %s ca export --state %s > ca.pem && curl --proxy http://%s --cacert ca.pem https://…\n",
			address, r.owner.dir, programName(), r.owner.dir, address)
		return err
	}
	page := "http://" + reachable(r.listeners.console[0].Addr())
	_, err := fmt.Fprintf(w, `sallyport: proxy on %s, console on %s/, state in %s
sallyport: policy: %s
sallyport: try it:
sallyport:   apt-get -o Acquire::http::Proxy=http://%s download hello
sallyport:   curl -so sallyport-ca.pem %s/ca.pem
sallyport:   curl --proxy http://%s --cacert sallyport-ca.pem https://www.debian.org/
sallyport:   %s audit list --state %s
`, address, page, r.owner.dir, r.policy.announced(), address, page, address, programName(), r.owner.dir)
	return err
}

// programName is what a shell calls this program: its name where it is on the path, as after an installation, else
// where it lies, as with "go run".
func programName() string {
	if _, err := exec.LookPath("sallyport"); err == nil {
		return "sallyport"
	}
	if path, err := os.Executable(); err == nil {
		return path
	}
	return "sallyport"
}

// reachable returns an address that a program on this machine can connect to: a listener on every address is reached
// by the loopback one.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	if tcp.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
	}
	return tcp.String()
}
