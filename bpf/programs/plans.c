// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What to do with each system call. User space fills the table: bpf/selection.py. */
#include "pt_regs.h"
#include "wire.h"

#define PLANS 1024
#define PLAN_COMPAT 512

enum plan_flags {
	PLAN_RECORD = 1,
	PLAN_STACK = 2,
	PLAN_REPLACES_MEMORY = 4, /* execve: when it worked, the memory it pointed to is gone; exit, rt_sigreturn */
	PLAN_EXEC = 8,
	PLAN_SETS_UID = 16,
	PLAN_AT_EXIT = 32, /* some capture is made when the call has worked */
	PLAN_FORKS = 64,   /* returns in the child too */
};

/* The stack is no longer that of the call when it ends. */
#define STACK_AT_ENTRY (PLAN_STACK | PLAN_REPLACES_MEMORY)

enum capture_kind {
	CAPTURE_NONE = 0,
	CAPTURE_STRING = 1,
	CAPTURE_BYTES = 2,
	CAPTURE_SOCKADDR = 3,
	CAPTURE_STRINGS = 4,  /* a vector of strings that NULL ends */
	CAPTURE_ARRAY = 5,    /* elements of `size` bytes */
	CAPTURE_BITS = 6,     /* an fd_set */
	CAPTURE_MESSAGE = 7,  /* a msghdr and what it points at */
	CAPTURE_CONTENTS = 8, /* DATA_BYTES of a buffer */
	CAPTURE_BUFFERS = 9,  /* ... of the buffers of a vector */
	CAPTURE_AT_EXIT = 16,
};

#define CAPTURES 8
#define SOCKADDR_MAX 128
#define LENGTH_NONE 6
#define LENGTH_RET 7

/*
 * What one argument points at. `length`: the argument that says how many bytes or elements, which for bytes and a
 * sockaddr at exit points at it; LENGTH_NONE: `size` bytes; LENGTH_RET: the result says. It is captured where the argument
 * `when`, if there is one, has a value from `least` to `most`.
 */
struct capture {
	u8 arg;
	u8 kind;
	u8 size;
	u8 length;
	u8 when;
	u8 least;
	u8 most;
	u8 reserved;
};

/*
 * What to do with a system call. Captures at exit stand last. The first of the others goes inline; one more that is short
 * is kept in the slot until exit, the rest aside.
 */
struct call_plan {
	u8 flags;
	u8 nargs;
	u8 buffers; /* CAPTURES and which of them names the buffers whose contents are wanted; 0: none does */
	u8 reserved;
	struct capture capture[CAPTURES];
};

BPF_ARRAY(plans, struct call_plan, PLANS);

/* Negative numbers have the bit too, and no table has them. */
static __always_inline int is_x32(u64 nr)
{
	return nr >> 30 == 1;
}

static __always_inline u32 number_of(u64 nr)
{
	return is_x32(nr) ? nr & ~X32_SYSCALL_BIT : nr;
}

/*
 * Whether the call is one of the 32-bit table. 64-bit code may make one with int 0x80, which, unlike SYSCALL, does not
 * leave the return address in rcx.
 */
static __always_inline int is_compat(const struct call_regs *regs)
{
	if (regs->cs == USER32_CS)
		return 1;
#ifdef TASK_STATUS
	if (regs->cx != regs->ip) {
		u32 status = 0;

		bpf_probe_read_kernel(&status, sizeof(status), (void *)(bpf_get_current_task() + TASK_STATUS));
		return status & TS_COMPAT;
	}
#endif
	return 0;
}

/* The row of the plan table for the call of the current thread, and the flags that say whose table its number is of. */
static __always_inline u32 plan_index(u64 nr, const struct call_regs *regs, u8 *flags)
{
	u32 index = number_of(nr);

	*flags = 0;
	if (is_x32(nr))
		*flags = WIRE_X32;
	if (index >= PLAN_COMPAT)
		index = PLAN_COMPAT - 1;
	if (is_compat(regs)) {
		*flags = WIRE_COMPAT;
		index += PLAN_COMPAT;
	}
	return index;
}
