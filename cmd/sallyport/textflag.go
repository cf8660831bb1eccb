package main

import "encoding"

// textFlag makes a flag of a value of the configuration file, so that both take the same words.
type textFlag struct{ value encoding.TextUnmarshaler }

// Set implements pflag.Value.
func (f textFlag) Set(s string) error { return f.value.UnmarshalText([]byte(s)) }

// String implements pflag.Value. There is nothing to show: the help says what the defaults are.
func (f textFlag) String() string { return "" }

// Type implements pflag.Value.
func (f textFlag) Type() string { return "value" }
