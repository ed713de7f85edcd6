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

	// R13 = getpid(); early is a struct sigaction for PID 1: {onEarly, SA_RESTORER|SA_ONSTACK|SA_RESTART, onReturn, all}
	MOVL $39, AX
	SYSCALL
	MOVL AX, R13
	LEAQ ·onEarly(SB), AX
	MOVQ AX, ·early(SB)
	MOVL $0x1C000000, AX
	MOVQ AX, ·early+8(SB)
	LEAQ ·onReturn(SB), AX
	MOVQ AX, ·early+16(SB)
	MOVQ $-1, AX
	MOVQ AX, ·early+24(SB)

	// rt_sigaction(DI, NULL, &atEntry.actions[DI], 8)
	MOVL $1, DI
	LEAQ ·atEntry+56(SB), DX
	MOVL $0x807409F0, R15 // a bit for each fault (ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS) and for CONT, TSTP, TTIN, TTOU
next:
	XORL SI, SI
	MOVL $13, AX
	SYSCALL

	// As PID 1, rt_sigaction(DI, &early, NULL, 8), where the default is in force and it is none of those
	CMPL R13, $1
	JNE  done
	CMPQ (DX), $0
	JNE  done
	BTQ  DI, R15
	JCS  done
	MOVQ DX, R14
	LEAQ ·early(SB), SI
	XORL DX, DX
	MOVL $13, AX
	SYSCALL
	MOVQ R14, DX
done:
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
