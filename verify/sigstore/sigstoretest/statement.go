package sigstoretest

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
)

// Subject is what a statement is about.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// Of names an artifact by its SHA-256.
func Of(name string, artifact []byte) Subject {
	sum := sha256.Sum256(artifact)
	return Subject{name, map[string]string{"sha256": hex.EncodeToString(sum[:])}}
}

// OfNPM names a package of npm by its package URL and the SHA-512 of its tarball, as npm does.
func OfNPM(purl string, tarball []byte) Subject {
	sum := sha512.Sum512(tarball)
	return Subject{purl, map[string]string{"sha512": hex.EncodeToString(sum[:])}}
}

// Predicate types of the statements that this package makes.
const (
	SLSA1      = "https://slsa.dev/provenance/v1"
	SLSA02     = "https://slsa.dev/provenance/v0.2"
	VSA        = "https://slsa.dev/verification_summary/v1"
	NPMPublish = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
	PyPI       = "https://docs.pypi.org/attestations/publish/v1"
	GitHub     = "https://in-toto.io/attestation/release/v0.2"
)

// Statement returns an in-toto statement of version 1.
func Statement(predicateType string, predicate any, subjects ...Subject) []byte {
	return must(json.Marshal(object{
		"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": predicateType, "predicate": predicate,
	}))
}

// Build is what provenance says of a build.
type Build struct {
	Builder, Type       string // URIs
	Source, Ref, Commit string // of the repository that was built
}

// Provenance returns SLSA provenance of version 1.
func Provenance(b Build, subjects ...Subject) []byte {
	return Statement(SLSA1, object{
		"buildDefinition": object{
			"buildType":          b.Type,
			"externalParameters": object{"workflow": object{"repository": b.Source, "ref": b.Ref, "path": ".github/workflows/release.yml"}},
			"resolvedDependencies": []object{{
				"uri": "git+" + b.Source + "@" + b.Ref, "digest": object{"gitCommit": b.Commit},
			}},
		},
		"runDetails": object{"builder": object{"id": b.Builder}},
	}, subjects...)
}

// Provenance02 returns SLSA provenance of version 0.2.
func Provenance02(b Build, subjects ...Subject) []byte {
	source := object{"uri": "git+" + b.Source + "@" + b.Ref, "digest": object{"sha1": b.Commit}}
	return must(json.Marshal(object{
		"_type": "https://in-toto.io/Statement/v0.1", "subject": subjects, "predicateType": SLSA02,
		"predicate": object{
			"builder": object{"id": b.Builder}, "buildType": b.Type,
			"invocation": object{"configSource": source}, "materials": []object{source},
		},
	}))
}

// Summary returns a verification summary (VSA): by whom the subjects were verified, and with which result, PASSED or FAILED.
func Summary(verifier, result string, subjects ...Subject) []byte {
	return Statement(VSA, object{
		"verifier": object{"id": verifier}, "timeVerified": "2025-06-01T12:00:00Z", "resourceUri": subjects[0].Name,
		"policy": object{"uri": verifier + "/policy"}, "verificationResult": result, "verifiedLevels": []string{"SLSA_BUILD_LEVEL_3"},
	}, subjects...)
}

// Publish returns npm's own statement that it has published a package.
func Publish(name, version string, subjects ...Subject) []byte {
	return Statement(NPMPublish, object{"name": name, "version": version, "registry": "https://registry.example.com"}, subjects...)
}
