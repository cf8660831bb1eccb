package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

func newDrill() *cobra.Command {
	var s settings
	var policyPath, write string
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "drill [NAME...]",
		Short: "Try known attacks against the policy",
		Long: `Try known attacks against the policy: those that are named, or --all. With no name they are listed.

Each attack is made again without its harm: programs that do nothing, signed by keys that exist only while the drill
runs. A proxy of the drill's own, with a state of its own, takes these keys for the vendors' in addition to the real
ones, and judges by the policy given, by that of --config, or by the built-in one. Attacks on TUF and Sigstore are
judged by a policy of the drill's own, since who signs there is a matter of each site. Nothing leaves this machine, and
nothing that a running proxy remembers or releases is touched.

Each row is a file that was served and what the proxy made of it. A genuine one has to pass, or else the refusal of the
other means nothing. The exit code is 1 if an attack got through. What nothing can tell from what is genuine is shown
getting through, and does not count.

With --write everything that was served is left in a folder, with the roots, a configuration and a policy to look at it
with this program or others.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			attacks, err := chooseAttacks(names, all)
			if err != nil {
				return err
			}
			if attacks == nil && write != "" {
				return advise(errors.New("--write needs attacks"), "name some, or ask for --all")
			}
			if attacks == nil {
				return listAttacks(cmd.OutOrStdout())
			}
			c, err := s.loadForDrill()
			if err != nil {
				return err
			}
			if policyPath != "" {
				c.Policy = policyPath
			}
			// A drill that is broken off leaves nothing behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			results, err := runDrill(ctx, c, attacks, write)
			if err != nil {
				return err
			}
			if asJSON {
				err = printDrillJSON(cmd.OutOrStdout(), results)
			} else {
				err = printDrill(cmd.OutOrStdout(), results, len(names) > 0)
			}
			if err == nil && slices.ContainsFunc(results, drillResult.failed) {
				err = &refusal{"the drill went wrong: see the rows in capital letters"}
			}
			return err
		},
	}
	s.addTo(cmd)
	cmd.Flags().StringVar(&policyPath, "policy", "", "policy `FILE`; without one that of --config, else the built-in policy")
	cmd.Flags().BoolVar(&all, "all", false, "try all attacks")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document for each attack")
	cmd.Flags().StringVar(&write, "write", "", "leave what was served in `DIR`, which must be empty or new")
	cmd.MarkFlagFilename("policy", "yaml", "yml")
	cmd.MarkFlagDirname("write")
	return cmd
}

// loadForDrill reads the configuration. Of the state only the roots that lie there are used: a drill needs none.
func (s *settings) loadForDrill() (config, error) {
	c, err := loadConfig(s.configFile)
	if err != nil {
		return config{}, err
	}
	if _, dir, err := s.load(); err == nil {
		c.Trust = c.Trust.or(dir)
	}
	return c, nil
}

// chooseAttacks returns the attacks with these names; none where none is asked for.
func chooseAttacks(names []string, all bool) ([]drillAttack, error) {
	known := drillAttacks()
	if all {
		if len(names) > 0 {
			return nil, errors.New("either name attacks or ask for --all")
		}
		return known, nil
	}
	var chosen []drillAttack
	for _, name := range names {
		i := slices.IndexFunc(known, func(a drillAttack) bool { return a.name == name })
		if i < 0 {
			var all []string
			for _, a := range known {
				all = append(all, a.name)
			}
			return nil, advise(fmt.Errorf("there is no attack %q", printable.Text(name, 100)), "there are "+strings.Join(all, ", "))
		}
		chosen = append(chosen, known[i])
	}
	return chosen, nil
}

func listAttacks(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range drillAttacks() {
		fmt.Fprintf(t, "%s\t%s\n", a.name, a.title)
	}
	return t.Flush()
}

// drillResult is what became of one attack.
type drillResult struct {
	attack   drillAttack
	rows     []drillRow
	controls []drillControl
}

// drillRow is what became of one file.
type drillRow struct {
	shot   drillShot
	answer drillAnswer
	unseen bool   // the policy passes the host through
	file   string // where --write has left it
}

// failed reports whether an attack got through that can be told, or the drill shows nothing because the genuine file did not.
func (r drillResult) failed() bool {
	return slices.ContainsFunc(r.rows, func(row drillRow) bool { return row.answer.through != row.shot.genuine && !row.untold() })
}

// passed reports whether an attack got through that nothing tells from what is genuine.
func (r drillResult) passed() bool {
	return slices.ContainsFunc(r.rows, func(row drillRow) bool { return row.untold() && row.answer.through })
}

func (row drillRow) untold() bool { return row.shot.untold != "" }

// runDrill tries the attacks, one after the other, and leaves what was served in the folder called write, if that is
// not empty.
func runDrill(ctx context.Context, c config, attacks []drillAttack, write string) (results []drillResult, err error) {
	var folder drillFolder
	if write != "" {
		if folder, err = openDrillFolder(write); err != nil {
			return nil, err
		}
	}
	keys, err := newDrillKeys()
	if err != nil {
		return nil, err
	}
	for _, own := range []bool{false, true} {
		of := slices.DeleteFunc(slices.Clone(attacks), func(a drillAttack) bool { return a.own != own })
		if len(of) == 0 {
			continue
		}
		some, err := tryAll(ctx, c, keys, of, own, folder)
		if err != nil {
			return nil, err
		}
		results = append(results, some...)
	}
	if folder != "" {
		err = folder.rest(keys, results)
	}
	return results, err
}

// tryAll tries attacks that are judged by the same policy.
func tryAll(ctx context.Context, c config, keys *drillKeys, attacks []drillAttack, own bool, folder drillFolder) (results []drillResult, err error) {
	var hosts []string
	for _, a := range attacks {
		hosts = append(hosts, a.hosts...)
	}
	slices.Sort(hosts)
	r, err := openDrillRange(c, keys, slices.Compact(hosts), own)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	for _, a := range attacks {
		result, err := r.try(ctx, a, folder)
		if err != nil {
			return nil, fmt.Errorf("drill %s: %w", a.name, err)
		}
		results = append(results, result)
	}
	return results, nil
}

func (r *drillRange) try(ctx context.Context, a drillAttack, folder drillFolder) (drillResult, error) {
	result := drillResult{attack: a}
	shots, err := a.stage(r)
	if err != nil {
		return result, fmt.Errorf("making the attack: %w", err)
	}
	for _, s := range shots {
		if s.before != nil {
			if err := s.before(); err != nil {
				return result, fmt.Errorf("making the attack: %w", err)
			}
		}
		answer, err := r.fetch(ctx, s.url, s.body)
		if err != nil {
			return result, err
		}
		row := drillRow{shot: s, answer: answer, unseen: r.unseen(s.url)}
		if folder != "" {
			if row.file, err = folder.shot(r, a.name, s); err != nil {
				return result, err
			}
		}
		result.rows = append(result.rows, row)
	}
	if a.controls != nil {
		result.controls, err = a.controls(ctx, r, shots)
	}
	return result, err
}

// unseen reports whether the policy passes a URL through without looking.
func (r *drillRange) unseen(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	plan := r.policy.Plan(policy.Request{Method: http.MethodGet, URL: u})
	return !plan.Inspect && plan.Refusal == nil
}

// answered says in words what a client got.
func (row drillRow) answered() string {
	a := row.answer
	switch {
	case a.through && row.untold():
		return fmt.Sprintf("let through, as nothing tells (%d)", a.status)
	case a.through && !row.shot.genuine:
		return fmt.Sprintf("GOT THROUGH (%d)", a.status)
	case a.through:
		return fmt.Sprintf("let through (%d)", a.status)
	case row.shot.genuine:
		return fmt.Sprintf("REFUSED THOUGH GENUINE (%d)", a.status)
	case a.record.Decision != nil && a.record.Decision.Action.String() == "quarantine":
		return fmt.Sprintf("quarantined (%d)", a.status)
	case a.status == http.StatusForbidden:
		return fmt.Sprintf("blocked (%d)", a.status)
	}
	return fmt.Sprintf("refused (%d)", a.status)
}

// finding is what stopped a file, or let it pass.
func (row drillRow) finding() string {
	f, ok := decisive(row.answer.record.Findings, row.answer.through)
	switch {
	case !ok && row.answer.problem != "":
		return printable.Text(row.answer.problem, 160)
	case !ok && row.unseen:
		return "not looked at: the policy passes the host through"
	case !ok:
		return "-"
	case f.Subject != "":
		return printable.Text(f.Code+" in "+f.Subject, 160)
	case f.Signer != "":
		return printable.Text(f.Code+" by "+f.Signer, 160)
	}
	return printable.Text(f.Code, 160)
}

// decisive picks the finding that matters most: what is wrong, then what stands out, then what is missing; or of a
// file that passed, who signed it.
func decisive(findings []audit.Finding, passed bool) (audit.Finding, bool) {
	order := []verify.Status{verify.Invalid, verify.Untrusted, verify.Inconclusive, verify.Absent, verify.Valid}
	if passed {
		order = []verify.Status{verify.Valid}
	}
	for _, status := range order {
		for _, f := range findings {
			if f.Status == status {
				return f, true
			}
		}
	}
	return audit.Finding{}, false
}

func (row drillRow) rule() string {
	if d := row.answer.record.Decision; d != nil {
		return printable.Text(d.Rule, 80)
	}
	return "-"
}

// printDrill prints a table, and after it what there is to say about attacks that were asked for by name.
func printDrill(w io.Writer, results []drillResult, stories bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ATTACK\tSERVED\tTHE PROXY\tFINDING\tRULE")
	bad, files := 0, 0
	var passed []string
	for _, r := range results {
		name := r.attack.name
		for _, row := range r.rows {
			files++
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", name, row.shot.what, row.answered(), row.finding(), row.rule())
			name = ""
		}
		if r.failed() {
			bad++
		}
		if r.passed() {
			passed = append(passed, r.attack.name)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if stories {
			fmt.Fprintf(w, "\n%s\n", folded(r.attack.name+": "+r.attack.story, ""))
		}
		if err := printControls(w, r.controls); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s, %s served; %s\n", count(len(results), "attack"), count(files, "file"), drillVerdict(bad, len(results), passed))
	return err
}

func drillVerdict(bad, attacks int, passed []string) string {
	switch {
	case bad == 0 && len(passed) == attacks:
		return "NOT STOPPED: nothing that this version evaluates tells it from what is genuine"
	case bad == 0 && len(passed) > 0:
		return fmt.Sprintf("all were stopped, and what was genuine passed, but for what nothing that this version evaluates tells: %s got through", strings.Join(passed, ", "))
	case bad == 0 && attacks == 1:
		return "it was stopped, and what was genuine passed"
	case bad == 0:
		return "every attack was stopped, and what was genuine passed"
	}
	return fmt.Sprintf("%d WENT WRONG: an attack got through, or the genuine file did not", bad)
}

// printControls shows what each control by itself would have said.
func printControls(w io.Writer, controls []drillControl) error {
	if len(controls) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nWhat each control by itself would have said of it:")
	for _, c := range controls {
		if _, err := fmt.Fprintf(w, "  %-12s %s\n%s\n", c.verdict, c.control, folded(printable.Text(c.why, 600), strings.Repeat(" ", 17))); err != nil {
			return err
		}
	}
	return nil
}

// folded breaks a text into lines of about a hundred characters, each after an indent.
func folded(text, indent string) string {
	const width = 100
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			b.WriteString(indent)
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// printDrillJSON prints one document for each attack.
func printDrillJSON(w io.Writer, results []drillResult) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range results {
		doc := drillJSON{Attack: r.attack.name, Title: r.attack.title, Stopped: !r.failed() && !r.passed()}
		for _, row := range r.rows {
			doc.Served = append(doc.Served, drillServed{
				What: row.shot.what, URL: row.shot.url, Genuine: row.shot.genuine, Status: row.answer.status, Through: row.answer.through, Untold: row.shot.untold,
				Finding: row.finding(), Rule: row.rule(), Record: row.answer.record.ID, File: row.file,
			})
		}
		for _, c := range r.controls {
			doc.Controls = append(doc.Controls, drillControlJSON{c.control, c.verdict, c.why})
		}
		if err := enc.Encode(doc); err != nil {
			return err
		}
	}
	return nil
}

type drillJSON struct {
	Attack   string             `json:"attack"`
	Title    string             `json:"title"`
	Stopped  bool               `json:"stopped"` // and what was genuine passed
	Served   []drillServed      `json:"served"`
	Controls []drillControlJSON `json:"controls,omitempty"`
}

type drillServed struct {
	What    string `json:"what"`
	URL     string `json:"url"`
	Genuine bool   `json:"genuine"`
	Status  int    `json:"status"` // HTTP status
	Through bool   `json:"through"`
	Untold  string `json:"untold,omitempty"` // why an attack cannot be told from what is genuine
	Finding string `json:"finding"`
	Rule    string `json:"rule"`
	Record  string `json:"record,omitempty"` // in the drill's own log, which is gone
	File    string `json:"file,omitempty"`   // where --write has left it
}

type drillControlJSON struct {
	Control string `json:"control"`
	Verdict string `json:"verdict"`
	Why     string `json:"why"`
}
