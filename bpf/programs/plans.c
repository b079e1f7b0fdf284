// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What to do with each system call. User space fills the table: bpf/selection.py. */
#include "pt_regs.h"
#include "wire.h"

#define PLANS 1024
#define PLAN_COMPAT 512

enum plan_flags {
	PLAN_RECORD = 1,
	PLAN_STACK = 2,
	PLAN_REPLACES_MEMORY = 4, /* execve: when it worked, the memory it pointed to is gone */
	PLAN_EXEC = 8,
	PLAN_SETS_UID = 16,
	PLAN_AT_EXIT = 32, /* some capture is made when the call has worked */
};

enum capture_kind {
	CAPTURE_NONE = 0,
	CAPTURE_STRING = 1,
	CAPTURE_BYTES = 2,
	CAPTURE_SOCKADDR = 3,
	CAPTURE_STRINGS = 4, /* a vector of strings that NULL ends */
	CAPTURE_AT_EXIT = 16,
};

#define CAPTURES 4
#define SOCKADDR_MAX 128

/*
 * What one argument points at. `length`: the argument with its size, which for a sockaddr at exit points at it; WIRE_ARGS:
 * it has `size` bytes.
 */
struct capture {
	u8 arg;
	u8 kind;
	u8 size;
	u8 length;
};

/*
 * What to do with a system call. The first capture goes inline, unless it is made at exit; a string or vector that is
 * the second is kept aside until exit, a struct among them in the slot.
 */
struct call_plan {
	u8 flags;
	u8 nargs;
	u8 reserved[2];
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

/* The row of the plan table for the call that is being entered, and the flags that say whose table its number is of. */
static __always_inline u32 plan_index(u64 nr, const struct call_regs *regs, u8 *flags)
{
	u32 index = number_of(nr);

	*flags = 0;
	if (is_x32(nr))
		*flags = WIRE_X32;
	if (index >= PLAN_COMPAT)
		index = PLAN_COMPAT - 1;
	if (regs->cs == USER32_CS) {
		*flags = WIRE_COMPAT;
		index += PLAN_COMPAT;
	}
	return index;
}
