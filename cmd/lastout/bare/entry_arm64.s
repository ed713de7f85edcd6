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

	// R21 = getpid(); early is a struct sigaction for PID 1: {onEarly, SA_RESTORER|SA_ONSTACK|SA_RESTART, onReturn, all}
	MOVD $172, R8
	SVC
	MOVW R0, R21
	MOVD $·early(SB), R22
	MOVD $·onEarly(SB), R4
	MOVD R4, (R22)
	MOVD $0x1C000000, R4
	MOVD R4, 8(R22)
	MOVD $·onReturn(SB), R4
	MOVD R4, 16(R22)
	MOVD $-1, R4
	MOVD R4, 24(R22)

	// rt_sigaction(R19, NULL, &atEntry.actions[R19], 8)
	MOVD $1, R19
	MOVD $·atEntry+56(SB), R23
	MOVD $0x807409F0, R24 // a bit for each fault (ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS) and for CONT, TSTP, TTIN, TTOU
next:
	MOVD R19, R0
	MOVD $0, R1
	MOVD R23, R2
	MOVD $134, R8
	SVC

	// As PID 1, rt_sigaction(R19, &early, NULL, 8), where the default is in force and it is none of those
	CMPW $1, R21
	BNE  done
	MOVD (R23), R4
	CBNZ R4, done
	LSR  R19, R24, R4
	TBNZ $0, R4, done
	MOVD R19, R0
	MOVD R22, R1
	MOVD $0, R2
	MOVD $134, R8
	SVC
done:
	ADD  $32, R23
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
