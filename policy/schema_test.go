package policy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// conforms is the part of JSON Schema that Schema makes use of.
func conforms(root, schema map[string]any, n *yaml.Node) error {
	for k := range schema {
		if !contains([]string{"$schema", "$defs", "$ref", "title", "description", "type", "properties", "additionalProperties", "propertyNames",
			"required", "minProperties", "maxProperties", "items", "minItems", "uniqueItems", "enum", "pattern", "minLength", "minimum", "anyOf", "oneOf"}, k) {
			return fmt.Errorf("this test knows no keyword %s", k)
		}
	}
	if ref, ok := schema["$ref"].(string); ok {
		target, ok := root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if !ok {
			return fmt.Errorf("%s leads nowhere", ref)
		}
		return conforms(root, target, n)
	}
	if forms, ok := schema["anyOf"].([]any); ok {
		var err error
		for _, f := range forms {
			if err = conforms(root, f.(map[string]any), n); err == nil {
				return nil
			}
		}
		return err
	}
	var typ string
	switch n.Kind {
	case yaml.MappingNode:
		typ = "object"
		if err := mappingConforms(root, schema, n); err != nil {
			return err
		}
	case yaml.SequenceNode:
		typ = "array"
		if least, ok := schema["minItems"].(float64); ok && len(n.Content) < int(least) {
			return fmt.Errorf("line %d: too few", n.Line)
		}
		items, _ := schema["items"].(map[string]any)
		for _, c := range n.Content {
			if err := conforms(root, items, c); err != nil {
				return err
			}
		}
	default:
		typ = map[string]string{"!!int": "integer", "!!float": "number", "!!bool": "boolean", "!!null": "null"}[n.Tag]
		if typ == "" {
			typ = "string" // an editor sees dates as strings
		}
		if words, ok := schema["enum"].([]any); ok && !strings.Contains(fmt.Sprint(words), n.Value) {
			return fmt.Errorf("line %d: %s is none of %v", n.Line, n.Value, words)
		}
		if pattern, ok := schema["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(n.Value) {
			return fmt.Errorf("line %d: %s does not match %s", n.Line, n.Value, pattern)
		}
	}
	if want := fmt.Sprint(schema["type"]); !strings.Contains(want, typ) && (want != "number" || typ != "integer") {
		return fmt.Errorf("line %d: %s where %s is wanted", n.Line, typ, want)
	}
	return nil
}

func mappingConforms(root, schema map[string]any, n *yaml.Node) error {
	properties, _ := schema["properties"].(map[string]any)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		seen[name] = true
		sub, ok := properties[name].(map[string]any)
		if !ok {
			if sub, ok = schema["additionalProperties"].(map[string]any); !ok {
				return fmt.Errorf("line %d: %s is not allowed", n.Content[i].Line, name)
			}
		}
		if err := conforms(root, sub, n.Content[i+1]); err != nil {
			return err
		}
	}
	required, _ := schema["required"].([]any)
	for _, r := range required {
		if !seen[r.(string)] {
			return fmt.Errorf("line %d: %s is missing", n.Line, r)
		}
	}
	if forms, ok := schema["oneOf"].([]any); ok {
		fit := 0
		for _, f := range forms {
			if name := f.(map[string]any)["required"].([]any)[0].(string); seen[name] {
				fit++
			}
		}
		if fit != 1 {
			return fmt.Errorf("line %d: %d of the keys of which there is one", n.Line, fit)
		}
	}
	return nil
}

func schemaAccepts(t *testing.T, src string) error {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Load([]byte(src), &doc); err != nil {
		return err
	}
	return conforms(root, root, doc.Content[0])
}

func TestSchemaAcceptsWhatTheParserDoes(t *testing.T) {
	sources := []string{planPolicy, fmt.Sprintf(decidePolicy, "{any: [{not: {signed_by: {anchors: [deb], threshold: 1}}}]}", thumb, sum(1))}
	sources = append(sources, languageExamples(t)...)
	data, err := os.ReadFile("../configs/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range append(sources, string(data)) {
		if err := schemaAccepts(t, src); err != nil {
			t.Errorf("%v in\n%s", err, src)
		}
	}
}

func TestSchemaRefusesWhatHasTheWrongShape(t *testing.T) {
	for _, name := range []string{"unknown-key", "wrong-types", "wrong-words", "require-is-missing", "requirement-with-two-keys", "bad-digests", "no-version", "exception-without-end-owner-or-reason"} {
		data, err := os.ReadFile(filepath.Join("testdata/bad", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if schemaAccepts(t, string(data)) == nil {
			t.Errorf("%s conforms", name)
		}
	}
}
