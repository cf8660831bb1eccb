package policy

// The shape of the language is written down once, in grammar.go, as a tree of these types. The checker and the JSON
// Schema are both made from it, so they cannot disagree.

// shape is what may stand at one place of the file. Where several of scalar, list, keys and names are set, the
// writer may choose between them.
type shape struct {
	what   string  // in messages and in the schema: "a channel"
	scalar *scalar // a single value
	list   *shape  // a list of these
	least  int     // the fewest elements or names that a list or a map of names may have
	keys   []key   // a mapping with these keys
	one    bool    // exactly one of keys is given
	beside []key   // what may be given besides that one
	names  *shape  // a mapping from names of the writer's choice to these
	naming *scalar // what those names may be; nil means aChannelName
}

// key is one key of a mapping.
type key struct {
	name     string
	doc      string // one sentence, for the schema
	required bool
	shape    *shape
}

// scalar is a kind of single value.
type scalar struct {
	what    string             // in messages: "a duration such as 25s or 14d"
	kind    scalarKind         // which YAML types it may be written as
	words   []string           // the only values there are; nil means that check decides
	check   func(string) error // says what is wrong with a value; nil accepts every one
	pattern string             // a regular expression for the schema, never stricter than check
	zero    bool               // a number may be 0
}

// scalarKind says which YAML types a scalar may have.
type scalarKind uint8

const (
	plainText scalarKind = iota // a string; what YAML takes for a number or a date must be quoted
	lexical                     // any type: the characters are what counts (digests, dates, durations)
	truth                       // true or false
	number                      // a whole number
	fraction                    // a number from 0 to 1
)

// keyNames returns the names of all keys.
func keyNames(keys []key) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

func findKey(keys []key, name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}
