package reputation

import "fmt"

// Refusal says why a list is not taken, although it could be read: it is not what it should be. The last good one stays.
type Refusal struct{ Text string }

// Error returns the reason.
func (r *Refusal) Error() string { return "refused: " + r.Text }

func refusef(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }
