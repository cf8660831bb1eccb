package policy

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
)

// factTables is the tables of LANGUAGE.md about facts, made of what the program knows of them.
func factTables() string {
	var b strings.Builder
	titles := map[*factType]string{
		updateFacts: "`update`", requestFacts: "`request`", clientFacts: "`request.client`", contentsFacts: "`contents`", signerFacts: "A signer",
		attestationFacts: "An attestation", workloadFacts: "A workload", findingFacts: "A finding", innerFacts: "An inner file",
		historyFacts: "`history`", pastFacts: "`past`", changesFacts: "`changes`",
		scanFacts: "A scan", hitFacts: "A hit",
	}
	for _, t := range factTypes {
		if t == factsOf {
			b.WriteString("| fact | type | what it is | not known if |\n|---|---|---|---|\n")
		} else {
			fmt.Fprintf(&b, "\n| %s | type | what it is | not known if |\n|---|---|---|---|\n", titles[t])
		}
		for _, f := range t.facts {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, typeInWords(f.typ), f.doc, f.unknown)
		}
	}
	return b.String()
}

func typeInWords(t *types.Type) string {
	switch t.Kind() {
	case types.ListKind:
		words := strings.TrimPrefix(strings.TrimPrefix(typeInWords(t.Parameters()[0]), "an "), "a ")
		return "list of " + words + "s"
	case types.TimestampKind:
		return "timestamp"
	}
	return typeName(t)
}

func TestLanguageNamesEveryFact(t *testing.T) {
	data, err := os.ReadFile("LANGUAGE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range strings.Split(factTables(), "\n\n") {
		if !strings.Contains(string(data), strings.TrimSpace(table)) {
			t.Errorf("LANGUAGE.md has no table\n%s", table)
		}
	}
	for _, name := range functionNames() {
		if !strings.Contains(string(data), "`"+name+"`") && !strings.Contains(string(data), name+"(") {
			t.Errorf("LANGUAGE.md does not name the function %s", name)
		}
	}
}
