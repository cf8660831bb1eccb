package policy

import "github.com/sallyport-project/sallyport/internal/printable"

// rule names what decides where something was recalled.
func (r *Recall) rule() string { return "recall " + r.Record }

// sentence says what was recalled, and why.
func (r *Recall) sentence() string {
	what := "this file was recalled"
	if r.Path != "" {
		what = "inside is " + printable.Text(r.Path, 200) + ", which was recalled"
	}
	if !r.At.IsZero() {
		what += " on " + minute(r.At)
	}
	if r.By != "" {
		what += " by " + printable.Text(r.By, 120)
	}
	if r.Reason != "" {
		what += ": " + printable.Text(r.Reason, 300)
	}
	return what + " (record " + printable.Text(r.Record, 80) + ")"
}
