/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The part of x86-64's struct pt_regs that holds a call's arguments: arch/x86/include/asm/ptrace.h. */
#ifndef BPFREC_PT_REGS_H
#define BPFREC_PT_REGS_H

#ifndef __x86_64__
#error "bpfrec records on x86-64 only"
#endif

/* From bp to cs, as they lie in pt_regs. */
struct call_regs {
	u64 bp;
	u64 bx;
	u64 r11;
	u64 r10;
	u64 r9;
	u64 r8;
	u64 ax;
	u64 cx;
	u64 dx;
	u64 si;
	u64 di;
	u64 orig_ax;
	u64 ip;
	u64 cs;
};

#define CALL_REGS_OFFSET 32

/* All of pt_regs that callers are found by. */
struct all_regs {
	u64 r15;
	u64 r14;
	u64 r13;
	u64 r12;
	u64 bp;
	u64 bx;
	u64 others[10];
	u64 ip;
	u64 cs;
	u64 flags;
	u64 sp;
};

#define PT_REGS_BYTES 168

/* struct bpf_perf_event_data: include/uapi/linux/bpf_perf_event.h */
struct sample_context {
	struct all_regs regs;
	u64 ss;
	u64 sample_period;
	u64 addr;
};

/* In a code segment of user code. */
#define USER_MODE 3

/* Reads the registers of a struct wire_snapshot out of a pt_regs; the code segment. */
static __always_inline u64 read_registers(u64 *to, const void *from)
{
	struct all_regs regs = {};

	bpf_probe_read_kernel(&regs, sizeof(regs), from);
	to[0] = regs.ip;
	to[1] = regs.sp;
	to[2] = regs.bp;
	to[3] = regs.bx;
	to[4] = regs.r12;
	to[5] = regs.r13;
	to[6] = regs.r14;
	to[7] = regs.r15;
	return regs.cs;
}

/* Code segment of 32-bit user code: __USER32_CS, arch/x86/include/asm/segment.h. */
#define USER32_CS 0x23

/* In the status of a thread_info, while it makes a call of the 32-bit table: arch/x86/include/asm/thread_info.h. */
#define TS_COMPAT 2

/* Set in the number of an x32 call: arch/x86/include/uapi/asm/unistd.h. */
#define X32_SYSCALL_BIT 0x40000000

#endif
