package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"
)

// stateDir is the directory of everything that is remembered. It holds
//
//	ca/           the interception CA
//	log/          the audit log and its key
//	vault/        held, released and quarantined updates
//	memory/       what verification remembers, such as the date of each apt archive
//	trust/        sets of roots that replace the built-in ones
//	revocation/   certificate revocation lists that were fetched
//	feeds/        lists of what is known to be bad, or good, as they were taken last
//	lookups.db    answers of services that were asked about files
//	history.db    what the log tells of updates
//	policy/       the policy that was in force last, for the next start to compare with
//	reports/      whole reports that updates were judged by
//	alerts/       what others have not been told yet
//	spool/        inner files of updates while they are looked at; emptied at every start
//	lock          held by the one process that may change any of this
//	control.sock  where that process takes orders, if it is a server
type stateDir string

func (s stateDir) ca() string         { return filepath.Join(string(s), "ca") }
func (s stateDir) log() string        { return filepath.Join(string(s), "log") }
func (s stateDir) vault() string      { return filepath.Join(string(s), "vault") }
func (s stateDir) memory() string     { return filepath.Join(string(s), "memory") }
func (s stateDir) trust() string      { return filepath.Join(string(s), "trust") }
func (s stateDir) revocation() string { return filepath.Join(string(s), "revocation") }
func (s stateDir) feeds() string      { return filepath.Join(string(s), "feeds") }
func (s stateDir) lookups() string    { return filepath.Join(string(s), "lookups.db") }
func (s stateDir) reports() string    { return filepath.Join(string(s), "reports") }
func (s stateDir) policy() string     { return filepath.Join(string(s), "policy") }
func (s stateDir) keptPolicy() string { return filepath.Join(s.policy(), "in-force.json") }
func (s stateDir) alerts() string     { return filepath.Join(string(s), "alerts") }
func (s stateDir) spool() string      { return filepath.Join(string(s), "spool") }
func (s stateDir) lock() string       { return filepath.Join(string(s), "lock") }
func (s stateDir) control() string    { return filepath.Join(string(s), "control.sock") }

// settings are the flags that say where things are; commands that need them share these.
type settings struct {
	configFile string
	state      string
}

// addTo defines the flags on a command and all its subcommands.
func (s *settings) addTo(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&s.configFile, "config", "", "configuration `FILE`; without one the defaults hold")
	cmd.PersistentFlags().StringVar(&s.state, "state", "", "state `DIR`; else $SALLYPORT_STATE, else what the configuration says, else the user's state directory")
	cmd.MarkPersistentFlagFilename("config", "yaml", "yml")
	cmd.MarkPersistentFlagDirname("state")
}

// load reads the configuration and decides where the state is.
func (s *settings) load() (config, stateDir, error) {
	c, err := loadConfig(s.configFile)
	if err != nil {
		return config{}, "", err
	}
	dir := s.state
	if dir == "" {
		dir = os.Getenv("SALLYPORT_STATE")
	}
	if dir == "" {
		dir = c.State
	}
	if dir == "" {
		if dir, err = userStateDir(); err != nil {
			return config{}, "", advise(err, "say where the state is to be kept: --state DIR")
		}
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return config{}, "", fmt.Errorf("finding the state directory: %w", err)
	}
	return c, stateDir(dir), nil
}

// loadExisting is load for commands that make no sense without a state.
func (s *settings) loadExisting() (config, stateDir, error) {
	c, dir, err := s.load()
	if err != nil {
		return config{}, "", err
	}
	if info, err := os.Stat(string(dir)); err != nil || !info.IsDir() {
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return config{}, "", advise(noState{dir},
				"name the one that the server uses: --state DIR, or its --config FILE")
		}
		return config{}, "", fmt.Errorf("opening the state directory: %w", err)
	}
	return c, dir, nil
}

// noState is the error of a state directory that does not exist.
type noState struct{ dir stateDir }

func (e noState) Error() string { return "there is no state directory " + string(e.dir) }

func (e noState) Unwrap() error { return fs.ErrNotExist }

// userStateDir is where the platform wants a user's programs to keep what is no configuration and no cache.
func userStateDir() (string, error) {
	switch runtime.GOOS {
	case "windows":
		if dir := os.Getenv("LocalAppData"); dir != "" {
			return filepath.Join(dir, "sallyport"), nil
		}
		return "", errors.New("%LocalAppData% is not set")
	case "darwin":
		home, err := os.UserHomeDir()
		return filepath.Join(home, "Library", "Application Support", "sallyport"), err
	}
	// XDG Base Directory Specification: a relative value is to be ignored.
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "sallyport"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "sallyport"), err
}

// make makes the directory if need be, and refuses one that others may look into: it is going to hold the CA's key.
func (s stateDir) make() error {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	info, err := os.Stat(string(s))
	if err != nil {
		return fmt.Errorf("opening the state directory: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return advise(fmt.Errorf("the state directory %s is open to others (mode %04o), and is to hold the key of the CA", s, mode),
			fmt.Sprintf("chmod 700 %s, or name another directory: --state DIR", s))
	}
	return nil
}

// emptySpool makes room for inner files beside the vault, where the operator has planned for large files. What is there
// is from a server that was killed.
func (s stateDir) emptySpool() error {
	err := os.RemoveAll(s.spool())
	if err == nil {
		err = os.Mkdir(s.spool(), 0o700)
	}
	if err != nil {
		return fmt.Errorf("making room for inner files: %w", err)
	}
	return nil
}

// lockHeld is the state directory's lock. The system gives it back when the process ends, however it ends.
type lockHeld struct{ f *os.File }

// errLocked means that another process has the lock.
var errLocked = errors.New("in use by another process")

// acquire takes the lock of a state directory, or returns errLocked wrapped.
func (s stateDir) acquire() (*lockHeld, error) {
	f, err := os.OpenFile(s.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the state directory: %w", err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking the state directory %s: %w", s, err)
	}
	return &lockHeld{f}, nil
}

// release gives the lock back.
func (l *lockHeld) release() { l.f.Close() }
