package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/proxy/mitm"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
)

// operator carries out orders: a console.Client where a server runs, else a console.Operator in this process.
type operator interface {
	List(ctx context.Context, all bool) ([]quarantine.Entry, error)
	Show(ctx context.Context, id string) ([]quarantine.Entry, error)
	Export(ctx context.Context, id string, w io.Writer) error
	Release(context.Context, console.Order) (console.Done, error)
	Reject(context.Context, console.Order) (console.Done, error)
	Standing(context.Context) ([]console.Standing, error)
	Waiting(context.Context) ([]console.Asked, error)
	Approve(ctx context.Context, request string, who console.Credential) (console.Done, error)
	Recall(context.Context, console.RecallOrder) (console.RecallDone, error)
	RotateCA(ctx context.Context, by string) (mitm.Info, error)
	Backup(context.Context, io.Writer) error
	Reload(context.Context, console.ReloadOrder) (console.Reloaded, error)
}

var (
	_ operator = (*console.Client)(nil)
	_ operator = (*console.Operator)(nil)
)

// operate calls do with whoever owns the state: the running server, or this process for as long as it takes.
func (s *settings) operate(cmd *cobra.Command, do func(operator) error) error {
	c, dir, err := s.loadExisting()
	if err != nil {
		return err
	}
	if serverRunning(dir) {
		return do(console.NewClient(dir.control()))
	}
	return withOwner(cmd, c, dir, func(o *owner) error { return do(o.operator(nil)) })
}

// owned calls do with the state locked and open. A running server is an error.
func (s *settings) owned(cmd *cobra.Command, do func(*owner) error) error {
	c, dir, err := s.load()
	if err != nil {
		return err
	}
	return withOwner(cmd, c, dir, do)
}

func withOwner(cmd *cobra.Command, c config, dir stateDir, do func(*owner) error) error {
	// People read this: what the server would log as JSON is a line of text here, and routine is left out.
	logger := newLogger(logConfig{Level: logLevel(zap.WarnLevel), Format: "console"}, cmd.ErrOrStderr())
	o, err := openOwner(c, dir, logger)
	if err != nil {
		return adviseLocked(err, dir)
	}
	queued := o.queueAlerts()
	err = do(o)
	queued()
	return errors.Join(err, o.close())
}

// adviseLocked says what to do about a state directory that another process has.
func adviseLocked(err error, dir stateDir) error {
	if !errors.Is(err, errLocked) {
		return err
	}
	if serverRunning(dir) {
		return advise(err, "a server runs on this state; choose another with --state DIR, or stop it first")
	}
	return advise(err, "another command or a server that starts or stops has it; try again in a moment")
}

// currentUser returns the name of the operating system's user, or its number.
func currentUser() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	if u.Username == "" {
		return "uid " + u.Uid
	}
	return printable.Text(u.Username, 60)
}

// itemName is how an item is called in messages.
func itemName(d console.Done) string {
	name := printable.Text(d.Name, 100)
	if name == "" {
		return d.SHA256.String()
	}
	return fmt.Sprintf("%s (%s)", name, d.SHA256)
}

// channelName is how a scope is called in messages.
func channelName(scope string) string {
	if scope == "" {
		return "no channel"
	}
	return "channel " + printable.Text(scope, 200)
}
