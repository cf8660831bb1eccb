package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy/console"
)

// credentialFlags are the flags by which somebody says who they are, and proves it.
type credentialFlags struct {
	name, passwordFile string
}

func (f *credentialFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "as", "", "who you are: a `NAME` in the file approvers.htpasswd of the configuration")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "`FILE` with your password; - is standard input; it is asked for without this")
	cmd.MarkFlagFilename("password-file")
}

// maxPassword is the longest password, in bytes: bcrypt takes no more.
const maxPassword = 72

// read returns who somebody says they are, with their password; nil if they say nothing.
func (f *credentialFlags) read(cmd *cobra.Command) (*console.Credential, error) {
	if f.name == "" {
		if f.passwordFile != "" {
			return nil, errors.New("--password-file goes with --as")
		}
		return nil, nil
	}
	password, err := f.password(cmd)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the password of %s: %w", printable.Text(f.name, 60), err)
	case password == "" || len(password) > maxPassword || strings.ContainsAny(password, "\r\n"):
		return nil, fmt.Errorf("the password of %s is to be one line of 1 to %d bytes", printable.Text(f.name, 60), maxPassword)
	}
	return &console.Credential{Name: f.name, Password: password}, nil
}

func (f *credentialFlags) password(cmd *cobra.Command) (string, error) {
	var data []byte
	var err error
	switch f.passwordFile {
	case "":
		in, ok := cmd.InOrStdin().(*os.File)
		if !ok || !term.IsTerminal(int(in.Fd())) {
			return "", advise(errors.New("there is no terminal to ask on"), "--password-file FILE, or --password-file - for standard input")
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "password of %s: ", printable.Text(f.name, 60))
		data, err = term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
	case "-":
		data = make([]byte, maxPassword+3)
		n, readErr := readUpTo(cmd.InOrStdin(), data)
		data, err = data[:n], readErr
	default:
		data, err = readSmall(f.passwordFile, maxPassword+2)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), err
}
