#include "textflag.h"

// Here the program begins, where it was linked so (make build), and goes on where Go's programs do. Nothing of Go is
// there yet; the stack holds the arguments and stays as it is.
TEXT lastout_entry(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD R0, R20

	// rt_sigprocmask(SIG_BLOCK, NULL, &atEntry.mask, 8)
	MOVD $0, R0
	MOVD $0, R1
	MOVD $·atEntry(SB), R2
	MOVD $8, R3
	MOVD $135, R8
	SVC

	// rt_sigaction(R19, NULL, &atEntry.actions[R19], 8)
	MOVD $1, R19
	MOVD $·atEntry+56(SB), R2
next:
	MOVD R19, R0
	MOVD $134, R8
	SVC
	ADD  $32, R2
	ADD  $1, R19
	CMP  $64, R19
	BLE  next

	// prlimit64(0, RLIMIT_NOFILE, NULL, &atEntry.files)
	MOVD $0, R0
	MOVD $7, R1
	MOVD $0, R2
	MOVD $·atEntry+8(SB), R3
	MOVD $261, R8
	SVC

	MOVD $1, R0
	MOVW R0, ·entered(SB)
	MOVD R20, R0
	B    _rt0_arm64_linux(SB)
