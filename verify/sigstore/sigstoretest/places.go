package sigstoretest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
)

// bundleParts is what the layouts below take out of a bundle.
type bundleParts struct {
	VerificationMaterial struct {
		Certificate struct {
			RawBytes []byte `json:"rawBytes"`
		} `json:"certificate"`
		TlogEntries json.RawMessage `json:"tlogEntries"`
	} `json:"verificationMaterial"`
	MessageSignature struct {
		Signature []byte `json:"signature"`
	} `json:"messageSignature"`
	DSSEEnvelope struct {
		Payload    []byte `json:"payload"`
		Signatures []struct {
			Sig []byte `json:"sig"`
		} `json:"signatures"`
	} `json:"dsseEnvelope"`
}

func partsOf(bundle []byte) (p bundleParts) {
	if err := json.Unmarshal(bundle, &p); err != nil {
		panic(err)
	}
	return p
}

// Lines returns bundles as JSON Lines.
func Lines(bundles ...[]byte) []byte { return append(bytes.Join(bundles, []byte("\n")), '\n') }

// NPM returns the document with which a registry of npm answers for the attestations of a package.
func NPM(bundles ...[]byte) []byte {
	var list []object
	for _, b := range bundles {
		var statement struct {
			PredicateType string `json:"predicateType"`
		}
		json.Unmarshal(partsOf(b).DSSEEnvelope.Payload, &statement)
		list = append(list, object{"predicateType": statement.PredicateType, "bundle": json.RawMessage(b)})
	}
	return must(json.Marshal(object{"attestations": list}))
}

// PyPIProvenance returns the provenance object of an index (PEP 740) with one attestation for each bundle, all by one publisher.
func PyPIProvenance(publisher any, bundles ...[]byte) []byte {
	var list []object
	for _, b := range bundles {
		p := partsOf(b)
		list = append(list, object{
			"version": 1,
			"verification_material": object{
				"certificate": p.VerificationMaterial.Certificate.RawBytes, "transparency_entries": p.VerificationMaterial.TlogEntries,
			},
			"envelope": object{"statement": p.DSSEEnvelope.Payload, "signature": p.DSSEEnvelope.Signatures[0].Sig},
		})
	}
	return must(json.Marshal(object{"version": 1, "attestation_bundles": []object{{"publisher": publisher, "attestations": list}}}))
}

// GitHubAttestations returns the answer of GitHub's API for the attestations of a digest.
func GitHubAttestations(repository int64, bundles ...[]byte) []byte {
	var list []object
	for _, b := range bundles {
		list = append(list, object{"bundle": json.RawMessage(b), "repository_id": repository, "bundle_url": ""})
	}
	return must(json.Marshal(object{"attestations": list}))
}

// Cosign returns the files that cosign wrote before there were bundles: the signature, the certificate, and what
// it wrote with --bundle.
func Cosign(bundle []byte) (signature, certificate, old []byte) {
	p := partsOf(bundle)
	var entries []struct {
		CanonicalizedBody []byte      `json:"canonicalizedBody"`
		IntegratedTime    json.Number `json:"integratedTime"`
		LogIndex          json.Number `json:"logIndex"`
		LogID             struct {
			KeyID []byte `json:"keyId"`
		} `json:"logId"`
		InclusionPromise struct {
			SignedEntryTimestamp []byte `json:"signedEntryTimestamp"`
		} `json:"inclusionPromise"`
	}
	if err := json.Unmarshal(p.VerificationMaterial.TlogEntries, &entries); err != nil {
		panic(err)
	}
	e := entries[0]
	signature = []byte(base64.StdEncoding.EncodeToString(p.MessageSignature.Signature))
	certificate = material{certificate: true, der: p.VerificationMaterial.Certificate.RawBytes}.pem()
	old = must(json.Marshal(object{
		"base64Signature": string(signature), "cert": base64.StdEncoding.EncodeToString(certificate),
		"rekorBundle": object{
			"SignedEntryTimestamp": e.InclusionPromise.SignedEntryTimestamp,
			"Payload": object{
				"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime, "logIndex": e.LogIndex, "logID": hex.EncodeToString(e.LogID.KeyID),
			},
		},
	}))
	return signature, []byte(base64.StdEncoding.EncodeToString(certificate)), old
}
