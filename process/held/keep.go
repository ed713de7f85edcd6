package held

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Kept is what a socket is to whoever goes on in this process, after an exec.
type Kept struct {
	Address Address
	FD      int
	file    inode
	hidden  bool
}

// Keep tells what a socket is.
func (s *Socket) Keep() Kept {
	return Kept{Address: s.Address, FD: int(s.File.Fd()), file: s.file, hidden: s.hidden}
}

// Restore takes a kept socket up again. It owns the descriptor.
func Restore(k Kept) (*Socket, error) {
	// A file that is made of a socket that does not block would be watched by the runtime; and that it does not block
	// may not be changed, for those who take connections from it see it at once. So the socket is put in the place of
	// something else.
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot take %s over: %w", k.Address, err)
	}
	file := os.NewFile(uintptr(null), k.Address.String())
	if err := unix.Dup3(k.FD, null, unix.O_CLOEXEC); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot take %s over: %w", k.Address, err)
	}
	unix.Close(k.FD)
	return &Socket{Address: k.Address, File: file, file: k.file, hidden: k.hidden}, nil
}
