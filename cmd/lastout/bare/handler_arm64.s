#include "textflag.h"

// The kernel calls a handler with the signal in R0, its siginfo_t in R1 and the context in R2, on the thread's signal
// stack, with every signal blocked, and with the way back in R30. Nothing of Go is known there: no g, no stack to grow,
// no function to call.

// func onSignal()
TEXT ·onSignal(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVW R0, R4
	MOVW ·pipeIn(SB), R0
	MOVD $24, R2 // recordSize
	MOVD $64, R8 // SYS_write
	SVC
	CMP  $0, R0
	BGE  written

	// There is no room. A bit tells of the signal, and an empty record, should there be room by now, that there is one.
	SUB  $1, R4
	MOVD $1, R5
	LSL  R4, R5
	MOVD $·missed(SB), R6

again:
	LDAXR (R6), R7
	ORR   R5, R7
	STLXR R7, (R6), R9
	CBNZW R9, again
	MOVW  ·pipeIn(SB), R0
	MOVD  $·empty(SB), R1
	SVC

written:
	RET

// func onEarly()
TEXT ·onEarly(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	SUBW $1, R0
	MOVD $1, R5
	LSL  R0, R5
	MOVD $·missed(SB), R6

again:
	LDAXR (R6), R7
	ORR   R5, R7
	STLXR R7, (R6), R9
	CBNZW R9, again
	RET

// func onFault()
TEXT ·onFault(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVW 8(R1), R3 // si_code: above 0 the kernel found a fault, else somebody sent it
	CMPW $0, R3
	BGT  fault
	B    ·onSignal(SB)
fault:
	MOVD ·runtimeHandler(SB), R3
	B    (R3)

// func onReturn()
TEXT ·onReturn(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD $139, R8 // SYS_rt_sigreturn
	SVC
	BRK // not reached

// func handlers() (signal, fault, restorer uintptr)
TEXT ·handlers(SB),NOSPLIT,$0-24
	MOVD $·onSignal(SB), R0
	MOVD R0, signal+0(FP)
	MOVD $·onFault(SB), R0
	MOVD R0, fault+8(FP)
	MOVD $·onReturn(SB), R0
	MOVD R0, restorer+16(FP)
	RET
