package rpmfile

import "fmt"

// Tags of the signature header. Two of them, from the time before there was a header of its own for them, have the
// numbers of other things in the header.
const (
	SigDSA             = 267  // OpenPGP signature over the header
	SigRSA             = 268  // likewise; any algorithm but DSA
	SigSHA1            = 269  // over the header, hexadecimal
	SigLongSize        = 270  // bytes of header and payload
	SigLongArchiveSize = 271  // bytes of the payload, uncompressed
	SigSHA256          = 273  // over the header, hexadecimal
	SigFileSignatures  = 274  // IMA signatures of the files
	SigFileSigLength   = 275  // bytes of one of them
	SigVerity          = 276  // fs-verity signatures of the files
	SigVerityAlgorithm = 277  // hash algorithm of these
	SigOpenPGP         = 278  // OpenPGP signatures over the header, base64
	SigSHA3            = 279  // SHA3-256 over the header, hexadecimal
	SigReserved        = 999  // room for signatures, format 6
	SigSize            = 1000 // bytes of header and payload
	SigPGP             = 1002 // OpenPGP signature over header and payload
	SigMD5             = 1004 // over header and payload
	SigGPG             = 1005 // as SigPGP, by a DSA key
	SigPayloadSize     = 1007 // bytes of the payload, uncompressed
	SigReservedSpace   = 1008 // room for signatures
)

// Tags of the header.
const (
	TagName              = 1000
	TagVersion           = 1001
	TagRelease           = 1002
	TagEpoch             = 1003
	TagArch              = 1022
	TagOldFileNames      = 1027
	TagFileSizes         = 1028
	TagFileModes         = 1030
	TagFileLinks         = 1036
	TagFileFlags         = 1037
	TagSourceRPM         = 1044
	TagSourcePackage     = 1106
	TagDirIndexes        = 1116
	TagBaseNames         = 1117
	TagDirNames          = 1118
	TagPayloadFormat     = 1124
	TagPayloadCompressor = 1125
	TagFileDevices       = 1095
	TagFileInodes        = 1096
	TagLongFileSizes     = 5008
	TagPayloadDigest     = 5092 // of the payload as it is, hexadecimal; SHA-256 unless the next tag says otherwise
	TagPayloadAlgorithm  = 5093
	TagPayloadSize       = 5112 // bytes of the payload as it is
	TagRPMFormat         = 5114
	TagPayloadSHA512     = 5121
	TagPayloadSHA3       = 5123
)

// NEVRA returns name-epoch:version-release.architecture, the epoch only where there is one. A source package has the
// architecture "src".
func (h *Header) NEVRA() string {
	epoch := ""
	if e, err := h.Uint32s(TagEpoch); err == nil && len(e) > 0 {
		epoch = fmt.Sprintf("%d:", e[0])
	}
	arch := h.String(TagArch)
	if h.Has(TagSourcePackage) || h.String(TagSourceRPM) == "" {
		arch = "src"
	}
	return fmt.Sprintf("%s-%s%s-%s.%s", h.String(TagName), epoch, h.String(TagVersion), h.String(TagRelease), arch)
}
