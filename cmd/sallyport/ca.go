package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy/mitm"
)

func newCA() *cobra.Command {
	var s settings
	cmd := &cobra.Command{Use: "ca", Short: "Look after the CA whose certificates clients see", Args: cobra.ArbitraryArgs, RunE: group}
	s.addTo(cmd)
	cmd.AddCommand(newCAInit(&s), newCAShow(&s), newCAExport(&s), newCARotate(&s))
	return cmd
}

// caOptions are the options of the CA that the configuration asks for. Hosts are what a CA made with them is confined
// to; they are read only where one may be made.
func caOptions(c config, making bool) (mitm.Options, error) {
	o := mitm.Options{Cert: c.CA.Cert, Key: c.CA.Key}
	if !making || !c.CA.NameConstraints {
		return o, nil
	}
	hosts, err := inspectedHosts(c.Policy)
	o.NameConstraints = hosts
	return o, err
}

// caExists reports whether there is a CA to take up: the configured one, or one of our own. Hidden files are drafts.
func caExists(c config, dir stateDir) bool {
	if c.CA.Cert != "" {
		return true
	}
	entries, err := os.ReadDir(dir.ca())
	return err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), ".") })
}

func newCAInit(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Make the CA, before the first start or without one",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.owned(cmd, func(o *owner) error {
				options, err := caOptions(o.config, true)
				if err != nil {
					return err
				}
				a, err := mitm.Init(o.dir.ca(), options)
				if err != nil {
					return err
				}
				if err := o.recordNewCA(a.Info()); err != nil {
					return err
				}
				return showCA(cmd.OutOrStdout(), a.Info())
			})
		},
	}
}

func newCAShow(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Describe the CA in use",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.openCA()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), a.Info())
			}
			return showCA(cmd.OutOrStdout(), a.Info())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newCAExport(s *settings) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print the certificate that clients are to trust",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.openCA()
			if err != nil {
				return err
			}
			data, err := a.Export(format)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(data)
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "pem", "pem, der or mobileconfig")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"pem", "der", "mobileconfig"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func newCARotate(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Put a new CA in force",
		Long: `Put a new CA with a new key in force, at once. Clients that trust the old one only will refuse every inspected host
from then on: bring them the certificate of "ca export", which holds both for 30 days.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.operate(cmd, func(o operator) error {
				info, err := o.RotateCA(cmd.Context(), whoami())
				if err != nil {
					return err
				}
				return showCA(cmd.OutOrStdout(), info)
			})
		},
	}
}

// openCA opens the CA that is there; it makes none.
func (s *settings) openCA() (*mitm.Authority, error) {
	c, dir, err := s.load()
	if err != nil {
		return nil, err
	}
	if !caExists(c, dir) {
		return nil, advise(fmt.Errorf("there is no CA in %s yet", dir.ca()), "`sallyport ca init` makes one, and so does the first start of the server")
	}
	options, err := caOptions(c, false)
	if err != nil {
		return nil, err
	}
	return mitm.Open(dir.ca(), options)
}

func showCA(w io.Writer, info mitm.Info) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, printable.Text(value, 0)) }
	line("subject", info.Subject)
	line("sha256", info.Fingerprint)
	line("serial", info.Serial)
	line("valid", info.NotBefore.UTC().Format(time.DateOnly)+" to "+info.NotAfter.UTC().Format(time.DateOnly))
	line("key", info.Key)
	if info.Own {
		line("made by", "Sallyport")
	} else {
		line("made by", "your own PKI")
	}
	line("file", info.Path)
	if len(info.NameConstraints) == 0 {
		line("good for", "every host")
	}
	for _, name := range info.NameConstraints {
		line("good for", name)
	}
	for _, old := range info.Previous {
		line("before", old.Subject+", sha256 "+old.Fingerprint)
	}
	return t.Flush()
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// whoami names the person who gives an order, for the record: the user of the operating system, and who became that
// user by sudo.
func whoami() string {
	name := currentUser()
	if by := os.Getenv("SUDO_USER"); by != "" && by != name {
		return printable.Text(by, 60) + " as " + name
	}
	return name
}
