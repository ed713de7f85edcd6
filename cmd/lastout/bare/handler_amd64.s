#include "textflag.h"

// The kernel calls a handler with the signal in DI, its siginfo_t in SI and the context in DX, on the thread's signal
// stack, with every signal blocked. Nothing of Go is known there: no g, no stack to grow, no function to call.

// func onSignal()
TEXT ·onSignal(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL  DI, R8
	MOVL  ·pipeIn(SB), DI
	MOVL  $24, DX // recordSize
	MOVL  $1, AX  // SYS_write
	SYSCALL
	TESTQ AX, AX
	JGE   written

	// There is no room. A bit tells of the signal, and an empty record, should there be room by now, that there is one.
	LEAL -1(R8), CX
	MOVL $1, AX
	SHLQ CX, AX
	LOCK
	ORQ  AX, ·missed(SB)
	LEAQ ·empty(SB), SI
	MOVL $1, AX
	SYSCALL

written:
	RET

// func onEarly()
TEXT ·onEarly(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	LEAL -1(DI), CX
	MOVL $1, AX
	SHLQ CX, AX
	LOCK
	ORQ  AX, ·missed(SB)
	RET

// func onFault()
TEXT ·onFault(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	CMPL 8(SI), $0 // si_code: above 0 the kernel found a fault, else somebody sent it
	JGT  fault
	JMP  ·onSignal(SB)
fault:
	MOVQ ·runtimeHandler(SB), AX
	JMP  AX

// func onReturn()
TEXT ·onReturn(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL $15, AX // SYS_rt_sigreturn
	SYSCALL
	INT $3 // not reached

// func handlers() (signal, fault, restorer uintptr)
TEXT ·handlers(SB),NOSPLIT,$0-24
	LEAQ ·onSignal(SB), AX
	MOVQ AX, signal+0(FP)
	LEAQ ·onFault(SB), AX
	MOVQ AX, fault+8(FP)
	LEAQ ·onReturn(SB), AX
	MOVQ AX, restorer+16(FP)
	RET
