package cab

import (
	"fmt"

	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/cab"
)

// maxSignature bounds the signature, in bytes.
const maxSignature = 16 << 20

// misplaced says what in a signed cabinet is not as programs that sign cabinets leave it: fields that the digest leaves
// out, and places that would have the digest cover something else than what is unpacked. "" means nothing.
func misplaced(c *cab.Cabinet, place cab.Span) string {
	switch {
	case c.Reserved[0] != 0:
		return fmt.Sprintf("The first reserved field of the header, which no signature covers, is %#x and not zero.", c.Reserved[0])
	case c.FolderReserve != 0 || c.BlockReserve != 0:
		return fmt.Sprintf("The sizes of the folders' and blocks' reserves, which no signature covers, are %d and %d and not zero.", c.FolderReserve, c.BlockReserve)
	case !authenticode.AllZero(c.Reserve[12:16]):
		return fmt.Sprintf("The header's reserve has the bytes %x, which are no signature's and which no signature covers.", c.Reserve[12:16])
	case !c.InSet() && c.Index != 0:
		return fmt.Sprintf("The cabinet stands alone, but its number in a set, which no signature covers, is %d and not zero.", c.Index)
	case c.FilesOffset != c.FoldersEnd:
		return fmt.Sprintf("The table of files at byte %d does not follow that of folders, which ends at %d.", c.FilesOffset, c.FoldersEnd)
	case place.From < c.Declared:
		return fmt.Sprintf("The signature at byte %d lies within the cabinet of %d bytes.", place.From, c.Declared)
	case place.To > c.Size || place.Len() == 0:
		return fmt.Sprintf("The signature has %d bytes at byte %d of a file of %d.", place.Len(), place.From, c.Size)
	case place.Len() > maxSignature:
		return fmt.Sprintf("The signature has %d bytes, more than %d.", place.Len(), maxSignature)
	}
	return ""
}
