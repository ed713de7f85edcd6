#include "textflag.h"

// Here the program begins, where it was linked so (make build), and goes on where Go's programs do. Nothing of Go is
// there yet; the stack holds the arguments and stays as it is.
TEXT lastout_entry(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVQ DX, R12

	// rt_sigprocmask(SIG_BLOCK, NULL, &atEntry.mask, 8)
	XORL DI, DI
	XORL SI, SI
	LEAQ ·atEntry(SB), DX
	MOVL $8, R10
	MOVL $14, AX
	SYSCALL

	// rt_sigaction(DI, NULL, &atEntry.actions[DI], 8)
	MOVL $1, DI
	LEAQ ·atEntry+56(SB), DX
next:
	XORL SI, SI
	MOVL $13, AX
	SYSCALL
	ADDQ $32, DX
	INCL DI
	CMPL DI, $64
	JLE  next

	// prlimit64(0, RLIMIT_NOFILE, NULL, &atEntry.files)
	XORL DI, DI
	MOVL $7, SI
	XORL DX, DX
	LEAQ ·atEntry+8(SB), R10
	MOVL $302, AX
	SYSCALL

	MOVL $1, ·entered(SB)
	MOVQ R12, DX
	JMP  _rt0_amd64_linux(SB)
