package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxCheckpoint bounds a signed checkpoint, in bytes.
const maxCheckpoint = 64 << 10

// checkpointPrefix is how a line begins that holds a checkpoint; a record's line begins with {"v":.
var checkpointPrefix = []byte(`{"checkpoint":`)

// signCheckpoint makes a signed note (C2SP signed-note) over a tree (C2SP tlog-checkpoint).
func signCheckpoint(tree tlog.Tree, signer note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), tree.N, tree.Hash)
	b, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return b, nil
}

// openCheckpoint checks a signed checkpoint's signature and returns what it says.
func openCheckpoint(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	if len(signed) > maxCheckpoint {
		return tlog.Tree{}, errors.New("the checkpoint is too long")
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("the checkpoint's signature: %w", err)
	}
	for _, s := range n.Sigs {
		// Two texts must not stand for one signature: base64 has bits to spare at its end.
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return tlog.Tree{}, fmt.Errorf("the checkpoint's signature: %w", err)
		}
	}
	origin, tree, err := parseCheckpoint(n.Text)
	if err != nil {
		return tlog.Tree{}, err
	}
	if origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("the checkpoint is of the log %q, not of %q", origin, verifier.Name())
	}
	return tree, nil
}

// parseCheckpoint reads the text of a checkpoint (C2SP tlog-checkpoint): origin, size, root, and extension lines,
// which mean nothing here.
func parseCheckpoint(text string) (origin string, tree tlog.Tree, err error) {
	parts := strings.SplitN(text, "\n", 4)
	if len(parts) < 4 || parts[0] == "" {
		return "", tree, errors.New("the checkpoint lacks one of its three lines")
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != parts[1] {
		return "", tree, errors.New("the checkpoint's size is no number")
	}
	root, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(root) != tlog.HashSize {
		return "", tree, errors.New("the checkpoint's root is no SHA-256 digest")
	}
	return parts[0], tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

// checkpointLine is the line, with its end, that closes a batch of records.
func checkpointLine(signed []byte) ([]byte, error) {
	text, err := json.Marshal(string(signed))
	if err != nil {
		return nil, fmt.Errorf("encoding a checkpoint: %w", err)
	}
	line := append(append([]byte(nil), checkpointPrefix...), text...)
	return append(line, '}', '\n'), nil
}

func isCheckpointLine(line []byte) bool { return bytes.HasPrefix(line, checkpointPrefix) }

// parseCheckpointLine returns the signed note in a checkpoint's line. Nothing is verified yet.
func parseCheckpointLine(line []byte) ([]byte, error) {
	if !isCheckpointLine(line) || len(line) > 2*maxCheckpoint {
		return nil, errors.New("no checkpoint's line")
	}
	var c struct {
		Checkpoint string `json:"checkpoint"`
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, fmt.Errorf("reading a checkpoint's line: %w", err)
	}
	return []byte(c.Checkpoint), nil
}

// checkLine opens the checkpoint in a line and reports whether it is that of exactly this tree.
func checkLine(line []byte, verifier note.Verifier, p *peaks) (signed []byte, ok bool) {
	signed, err := parseCheckpointLine(line)
	if err != nil {
		return nil, false
	}
	said, err := openCheckpoint(signed, verifier)
	if err != nil {
		return nil, false
	}
	is, err := p.tree()
	return signed, err == nil && said == is
}
