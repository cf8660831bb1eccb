package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
)

// jsonRegions: chapters tuf and sigstore.
func jsonRegions(data []byte) []region {
	if bytes.Contains(data, []byte(`"signed"`)) && bytes.Contains(data, []byte(`"signatures"`)) {
		return metadataRegions(data)
	}
	return bundleRegions(data)
}

var signatureList = regexp.MustCompile(`"signatures"\s*:\s*\[[^\]]*\]`)

// metadataRegions: a change to one of several signatures of TUF metadata can only take it away.
func metadataRegions(data []byte) (out []region) {
	for _, at := range signatureList.FindAllIndex(data, -1) {
		if bytes.Count(data[at[0]:at[1]], []byte(`"keyid"`)) > 1 {
			out = append(out, region{at[0], at[1], "tuf: one of several signatures, of which the others are enough", false})
		}
	}
	return out
}

var (
	rekor2Body   = regexp.MustCompile(`"canonicalizedBody"\s*:\s*"([^"]*)"`)
	rekor2Kind   = regexp.MustCompile(`"kind"\s*:\s*"(hashedrekord|dsse)"\s*,\s*"version"\s*:\s*"0\.0\.2"`)
	rekor2Root   = regexp.MustCompile(`"rootHash"\s*:\s*"([^"]*)"`)
	entryKind    = regexp.MustCompile(`"kindVersion"\s*:\s*\{([^}]*)\}`)
	checkpoint   = regexp.MustCompile(`"envelope"\s*:\s*"([^"]*)"`)
	keyHint      = regexp.MustCompile(`"publicKey"\s*:\s*\{\s*"hint"\s*:\s*"([^"]*)"`)
	keyID        = regexp.MustCompile(`"keyid"\s*:\s*("[^"]*")`)
	around       = regexp.MustCompile(`(?:^|\},)(\{(?:"attestations":\[\{)?"predicateType":"[^"]*",)"bundle":`)
	promise      = regexp.MustCompile(`"inclusionPromise"\s*:\s*\{\s*("signedEntryTimestamp")`)
	stamped      = regexp.MustCompile(`"signedTimestamp"\s*:\s*"([^"]*)"`)
	bundleFormat = regexp.MustCompile(`"mediaType"\s*:\s*"application/vnd\.dev\.sigstore\.bundle\.v0\.(\d)\+json"`)
	chainOfCerts = regexp.MustCompile(`"x509CertificateChain"\s*:\s*\{\s*"certificates"\s*:\s*\[\s*\{[^}]*\}([^\]]*)\]`)
)

// bundleRegions are the parts of Sigstore bundles that no verdict rests on.
func bundleRegions(data []byte) (out []region) {
	add := func(of *regexp.Regexp, why string) {
		for _, at := range of.FindAllSubmatchIndex(data, -1) {
			out = append(out, region{at[2], at[3], why, false})
		}
	}
	add(chainOfCerts, "sigstore: certificates of authorities, which are taken from the trusted root")
	add(bundleFormat, "sigstore: the version of a bundle's format, where what is in it fits the other as well")
	if rekor2Kind.Match(data) {
		add(rekor2Root, "sigstore: the root hash beside a proof of Rekor 2, which is the checkpoint's")
		add(rekor2Body, "sigstore: the body of an entry of Rekor 2, which is made anew from the bundle")
	}
	add(entryKind, "sigstore: what kind an entry is said to be, which the entry says itself")
	add(keyHint, "sigstore: what a bundle calls its key, which is looked for by trying")
	add(keyID, "sigstore: what an envelope calls the key of a signature, which is tried anyway")
	add(around, "sigstore: what a registry writes around a bundle")
	add(promise, "sigstore: the name of a log's promise, without which its inclusion proof is enough where there is a timestamp")
	for _, at := range stamped.FindAllSubmatchIndex(data, -1) {
		out = append(out, stampRegions(data[at[2]:at[3]], at[2])...)
	}
	if n := bytes.Count(data, []byte(`"verificationMaterial"`)); n > 1 {
		out = append(out, region{0, len(data), "sigstore: another bundle in the same document vouches as well", false})
	}
	for _, at := range checkpoint.FindAllSubmatchIndex(data, -1) {
		out = append(out, witnesses(data[at[2]:at[3]], at[2])...)
	}
	return out
}

// stampRegions returns what of a timestamp (RFC 3161 section 2.4.2) in base64 at an offset nothing covers.
func stampRegions(text []byte, offset int) (out []region) {
	der, err := base64.StdEncoding.DecodeString(string(text))
	top := children(der, 0, len(der))
	if err != nil || len(top) == 0 {
		return nil
	}
	for _, part := range top[0].children(der) {
		info := part.children(der)
		if len(info) != 2 || !bytes.Equal(der[info[0].at:info[0].end], signedData) {
			continue
		}
		if data := info[1].children(der); len(data) == 1 {
			for _, r := range unsignedOfStamp(der, data[0].children(der)) {
				out = append(out, region{offset + r.from*4/3, offset + (r.to*4+2)/3, r.why, false})
			}
		}
	}
	return out
}

// unsignedOfStamp returns what of CMS SignedData (RFC 5652 section 5.1), by its fields, is not signed: the list of digest algorithms
// and what wraps the content, which are signed as attributes, and what names the signer.
func unsignedOfStamp(der []byte, fields []node) (out []region) {
	if len(fields) < 4 {
		return nil
	}
	wrapped := region{fields[1].at, fields[2].end, "CMS: digest algorithms, type and wrapping of a timestamp's content", false}
	if content := fields[2].children(der); len(content) == 2 && len(content[1].children(der)) == 1 {
		wrapped.to = content[1].children(der)[0].body
	}
	out = append(out, wrapped)
	for _, signer := range fields[len(fields)-1].children(der) {
		if all := signer.children(der); len(all) > 2 {
			out = append(out, region{all[1].at, all[1].end, "CMS: whose certificate a timestamp says it is, which is told by trying", false})
			if len(all) > 3 {
				out = append(out, lengths(der, all[3])...)
			}
		}
	}
	return out
}

// lengths returns the headers of a timestamp's signed attributes: they are read as BER, which ends an element where the one around it
// ends, and made anew as DER to verify the signature over them (RFC 5652 section 5.4).
func lengths(der []byte, attributes node) (out []region) {
	for _, attribute := range attributes.children(der) {
		for _, n := range append(attribute.children(der), attribute) {
			out = append(out, region{n.at, n.body, "CMS: lengths around a timestamp's signed attributes, which are made anew", false})
		}
	}
	return out
}

// witnesses returns the signatures of a checkpoint, as JSON has it, that are by others than its log, and the names in all of them,
// since a key is found by its hash. It lies at an offset.
func witnesses(note []byte, offset int) (out []region) {
	const line, dash = `\n`, "\u2014 "
	parts := bytes.SplitAfter(note, []byte(line))
	log, _, _ := strings.Cut(strings.TrimSuffix(string(parts[0]), line), " ")
	own := strings.Count(strings.ReplaceAll(string(note), `\u2014 `, dash), dash+log+" ")
	for _, p := range parts {
		text := strings.Replace(string(p), `\u2014 `, dash, 1)
		if strings.HasPrefix(text, dash) && (own > 1 || !strings.HasPrefix(text, dash+log+" ")) {
			out = append(out, region{offset, offset + len(p), "sigstore: one of several signatures under a checkpoint", false})
		} else if strings.HasPrefix(text, dash) {
			name := len(p) - len(text) + len(dash)
			out = append(out, region{offset + name, offset + name + len(log), "sigstore: the name beside a log's signature, whose key is told by its hash", false})
		}
		offset += len(p)
	}
	return out
}

// sameJSON reports whether two documents, or lines of documents, say the same in another spelling: other white space, hexadecimal digits
// in the other case, or other unused bits at the end of base64.
func sameJSON(a, b []byte) bool {
	one, ok := jsonValues(a)
	two, fine := jsonValues(b)
	return ok && fine && reflect.DeepEqual(one, two)
}

func jsonValues(data []byte) (out []any, ok bool) {
	for dec := json.NewDecoder(bytes.NewReader(data)); dec.More(); {
		var v any
		if dec.Decode(&v) != nil {
			return nil, false
		}
		out = append(out, plain(v))
	}
	return out, out != nil
}

// plain puts what hexadecimal digits and base64 stand for in their place.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = plain(v[name])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case string:
		if raw, err := hex.DecodeString(v); err == nil && len(v) > 16 {
			return raw
		}
		if raw, err := base64.StdEncoding.DecodeString(v); err == nil && len(v) > 16 {
			return raw
		}
	}
	return v
}
