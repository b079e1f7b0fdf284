// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* User memory that a call points at, read at exit: what was not resident at entry, and what the kernel has written. */
#include "wire.h"

static __always_inline int has_failed(const struct call_slot *slot)
{
	return slot->call.ret < 0 && slot->call.ret >= -MAX_ERRNO;
}

/*
 * Whether the memory and the stack of a call that has returned are those it was made with: not where another program is
 * executed. rt_sigreturn, which has no arguments, does not fail: it gives what interrupted code had in rax.
 */
static __always_inline int keeps_memory(const struct call_slot *slot)
{
	return !(STATE_FLAGS(slot->state) & PLAN_REPLACES_MEMORY) || (has_failed(slot) && slot->call.nargs);
}

static __always_inline int unread(const struct call_slot *slot)
{
	return slot->call.captured == -EFAULT ||
	       (slot->more.size && (slot->more.captured == -EFAULT || slot->more.flags & WIRE_CUT));
}

static __always_inline void add_data(struct wire_batch *batch, const struct wire_data *data)
{
	struct wire_data *record = next_record(batch);
	u64 bytes = sendable(data->captured, WIRE_DATA_MAX);

	bpf_probe_read_kernel(record, DATA_OFFSET + bytes, data);
	add_record(batch, &record->size, DATA_OFFSET + bytes);
}

/* Adds what was kept under one number to `batch`, if there is one; 1: it could not be read, and may be read now. */
static __always_inline int finish_aside(struct wire_batch *batch, struct call_slot *slot, u32 number, int retry)
{
	u64 key = spill_key(slot->call.tid, number);
	struct wire_data *data = spilled.lookup(&key);
	int again;

	if (!data)
		return 0;
	again = retry && data->captured == -EFAULT && number != ASIDE_CONTROL;
	if (batch && !again)
		add_data(batch, data);
	spilled.delete(&key);
	return again;
}

static __always_inline void finish_asides(struct wire_batch *batch, struct call_slot *slot)
{
	u32 i;

#pragma clang loop unroll(disable)
	for (i = 0; i < WIRE_ASIDE; i++)
		if (slot->aside & 1 << i)
			finish_aside(batch, slot, i, 0);
}

static __always_inline void add_struct(struct wire_batch *batch, struct call_slot *slot)
{
	struct wire_struct *record = next_record(batch);
	u64 bytes = sendable(slot->more.captured, WIRE_STRUCT);

	bpf_probe_read_kernel(record, DATA_OFFSET + bytes, &slot->more);
	add_record(batch, &record->size, DATA_OFFSET + bytes);
}

/* What belongs to a message that was received, or could not be read before: its address and control data. */
static __always_inline void add_message(struct wire_batch *batch, const struct call_slot *slot, struct data_room *room,
					const struct capture *capture)
{
	u32 flags = capture->kind & CAPTURE_AT_EXIT ? WIRE_AT_EXIT : 0;
	struct message message;

	if (read_user(&message, sizeof(message), target_of(slot, capture)))
		return;
	if (message.name && message.name_length) {
		name_record(room, capture->arg | WIRE_NAME, flags);
		read_bytes(room, (const void *)message.name,
			   flags ? at_most(message.name_length, slot->room) : message.name_length, SOCKADDR_MAX);
		add_data(batch, &room->record);
	}
	if (message.control && message.control_length) {
		name_record(room, capture->arg | WIRE_CONTROL, flags);
		read_bytes(room, (const void *)message.control, message.control_length, ARRAY_MAX);
		add_data(batch, &room->record);
	}
}

/* Whether a call that worked has something to give: arrays are filled as far as the result says. */
static __always_inline int has_result(const struct call_slot *slot, const struct capture *capture)
{
	u32 kind = kind_of(capture);

	return capture->kind & CAPTURE_AT_EXIT && applies(slot, capture) && !is_long(capture) &&
	       (slot->call.ret || kind == CAPTURE_BYTES || kind == CAPTURE_SOCKADDR || kind == CAPTURE_MESSAGE);
}

/* Whether capture `number` could not be read at entry; the call, or the kernel, may have brought it in. */
static __always_inline int forget_unread(struct call_slot *slot, u32 number, const struct capture *capture)
{
	if (!number && slot->call.captured == -EFAULT) {
		slot->call.flags |= WIRE_RETRIED | WIRE_SPILLED;
		slot->call.captured = 0;
		return 1;
	}
	if (slot->more.size && slot->more.captured == -EFAULT && slot->more_of == number) {
		slot->more.size = 0;
		return 1;
	}
	return slot->call.flags & WIRE_NO_ENTRY && number && !(capture->kind & CAPTURE_AT_EXIT) &&
	       applies(slot, capture) && !is_long(capture);
}

/*
 * Adds what was captured besides the first to `batch`: what was kept aside, what can be read only now (`retry`), and, of
 * a call that worked, what the kernel wrote to where arguments point.
 */
static __always_inline void finish_captures(struct wire_batch *batch, struct call_slot *slot)
{
	struct call_plan *plan = plans.lookup(&slot->plan);
	struct data_room *room = scratch();
	u32 i;

	if (!plan || !room)
		return;
	if (!has_failed(slot))
		slot->aside |= HAS_WORKED;
	if (keeps_memory(slot))
		slot->aside |= MAY_RETRY;
	if (slot->aside & MAY_RETRY && plan->flags & PLAN_EXEC)
		capture_exec_again(slot, plan);
#pragma clang loop unroll(disable)
	for (i = 0; i < CAPTURES; i++) {
		const struct capture *capture = &plan->capture[i];
		int now = 0;

		if (slot->aside & 1 << i)
			now = finish_aside(batch, slot, i, slot->aside & MAY_RETRY && !is_long(capture));
		if (i == ASIDE_CONTENTS && now) {
			slot->aside |= LATER_CONTENTS;
			now = 0;
		}
		if (slot->aside & MAY_RETRY && forget_unread(slot, i, capture))
			now = 1;
		if (slot->aside & HAS_WORKED && has_result(slot, capture))
			now = 1;
		if (!now)
			continue;
		read_capture(room, slot, capture, slot->call.ret);
		add_data(batch, &room->record);
		if (kind_of(capture) == CAPTURE_MESSAGE)
			slot->aside |= LATER_MESSAGE;
	}
	if (slot->aside & LATER_MESSAGE)
		add_message(batch, slot, room, &plan->capture[0]);
#ifdef DATA_BYTES
	if (plan->buffers) {
		int at_exit = plan->capture[plan->buffers & (CAPTURES - 1)].kind & CAPTURE_AT_EXIT;

		if (at_exit ? slot->aside & HAS_WORKED && slot->call.ret : slot->aside & LATER_CONTENTS)
			if (find_contents(room, slot, plan, at_exit ? slot->call.ret : DATA_BYTES))
				add_data(batch, &room->record);
	}
#endif
}

#if defined(BPRM_FILENAME) && !defined(PREPARE_EXEC)
#define EXECVE_ARGS 3

/* The vectors of strings of an execve that were not readable at entry, from the new stack: argc, argv, envp. */
static __always_inline void capture_strings_again(struct call_slot *slot, u64 stack)
{
	struct data_room *room = scratch();
	u64 argc = 0, vector = stack + sizeof(argc);
	u32 i;

	if (!room || read_user(&argc, sizeof(argc), (void *)stack))
		return;
#pragma clang loop unroll(disable)
	for (i = 1; i <= STRING_VECTORS; i++) {
		if (forget_cut(slot, i, i))
			slot->aside |= LATER_STRINGS;
		if (slot->aside & LATER_STRINGS) {
			slot->aside &= ~LATER_STRINGS;
			name_record(room, i, 0);
			read_strings(room, (void *)vector, 0);
			keep_aside(slot, i, room);
		}
		vector += (argc + 1) * sizeof(u64);
	}
}

/*
 * What an execve that has worked was given, where it could not be read before: kernels before 6.10 do not tell of an exec
 * while it has its memory. The kernel has copied it: bprm->filename, and to the new stack, at bprm->p. What stands there
 * is another program's if it executes the interpreter of a script instead.
 */
static __always_inline void capture_executed(struct call_slot *slot, const void *bprm)
{
	u64 filename = 0, interpreter = 0, stack = 0;
	int n;

	bpf_probe_read_kernel(&filename, sizeof(filename), bprm + BPRM_FILENAME);
	bpf_probe_read_kernel(&interpreter, sizeof(interpreter), bprm + BPRM_INTERP);
	bpf_probe_read_kernel(&stack, sizeof(stack), bprm + BPRM_P);
	if (slot->call.captured == -EFAULT) {
		n = bpf_probe_read_kernel_str(slot->data, WIRE_INLINE, (void *)filename);
		slot->call.flags |= WIRE_RETRIED;
		/* One that is longer has no room here: it stays unreadable. */
		if (n > 0 && n < WIRE_INLINE)
			slot->call.captured = n - 1;
	}
	if (interpreter == filename)
		capture_strings_again(slot, stack);
}
#endif
