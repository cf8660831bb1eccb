package policy

import (
	"encoding/json"
	"slices"
)

// Schema returns the JSON Schema (draft 2020-12) of a policy file, for editors. It is made from the same table that the
// parser checks files with; what a schema cannot say, such as that a name leads somewhere, only the parser knows.
func Schema() []byte {
	s := schemaWriter{defs: map[string]any{}}
	root := s.shape(language)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Sallyport policy"
	root["$defs"] = s.defs
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("the grammar holds nothing that JSON cannot: " + err.Error())
	}
	return append(out, '\n')
}

type schemaWriter struct{ defs map[string]any }

// shape returns the schema of a shape. A requirement, which may contain others, is defined once and referred to.
func (w *schemaWriter) shape(s *shape) map[string]any {
	const name = "requirement"
	if s.what != "a "+name {
		return w.expand(s)
	}
	if _, ok := w.defs[name]; !ok {
		w.defs[name] = nil // it refers to itself from here on
		w.defs[name] = w.expand(s)
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

func (w *schemaWriter) expand(s *shape) map[string]any {
	var forms []map[string]any
	if s.scalar != nil {
		forms = append(forms, s.scalar.schema())
	}
	if s.list != nil {
		f := map[string]any{"type": "array", "items": w.shape(s.list)}
		if s.least > 0 {
			f["minItems"] = s.least
		}
		if s.list.scalar != nil {
			f["uniqueItems"] = true
		}
		forms = append(forms, f)
	}
	if s.keys != nil {
		forms = append(forms, w.mapping(s))
	}
	if s.names != nil {
		forms = append(forms, map[string]any{
			"type": "object", "additionalProperties": w.shape(s.names),
			"propertyNames": map[string]any{"pattern": s.namedAs().pattern},
		})
	}
	if len(forms) == 1 {
		return forms[0]
	}
	return map[string]any{"anyOf": forms}
}

func (w *schemaWriter) mapping(s *shape) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, k := range slices.Concat(s.keys, s.beside) {
		p := w.shape(k.shape)
		p["description"] = k.doc
		properties[k.name] = p
		if k.required {
			required = append(required, k.name)
		}
	}
	m := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		m["required"] = required
	}
	if s.one {
		m["oneOf"] = one(s.keys)
	}
	return m
}

// one says that exactly one of some keys is given, whatever else is.
func one(keys []key) []map[string]any {
	out := make([]map[string]any, len(keys))
	for i, k := range keys {
		out[i] = map[string]any{"required": []string{k.name}}
	}
	return out
}

func (s *scalar) schema() map[string]any {
	switch {
	case s.words != nil:
		return map[string]any{"type": "string", "enum": s.words}
	case s.kind == truth:
		return map[string]any{"type": "boolean"}
	case s.kind == number:
		least := 1
		if s.zero {
			least = 0
		}
		return map[string]any{"type": "integer", "minimum": least}
	case s.kind == fraction:
		return map[string]any{"type": "number", "minimum": 0, "maximum": 1}
	case s.kind == lexical && s.pattern == "":
		return map[string]any{"type": []string{"string", "integer"}} // an unquoted port is a number
	}
	m := map[string]any{"type": "string", "minLength": 1}
	if s.pattern != "" {
		m["pattern"] = s.pattern
	}
	return m
}
