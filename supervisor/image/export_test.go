package image

import (
	"encoding/binary"
	"hash/crc32"
)

// Sealed puts the right checksum behind data.
func Sealed(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(data[:len(data):len(data)], crc32.ChecksumIEEE(data))
}
