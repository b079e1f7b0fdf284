// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* User memory that a call points at, read at entry. */
#include "wire.h"

/* Of an execve: its arguments, and its environment. */
#ifdef ENVIRONMENT
#define STRING_VECTORS 2
#else
#define STRING_VECTORS 1
#endif

/* Keeps what was read into `room` until the call ends: in the slot, where it is short and nothing is there yet. */
static __always_inline void keep_aside(struct call_slot *slot, u32 number, struct data_room *room)
{
	u64 key = spill_key(slot->call.tid, number);
	s32 captured = room->record.captured;

	if (!slot->more.size && captured >= 0 && captured <= WIRE_STRUCT) {
		u64 bytes = sendable(captured, WIRE_STRUCT);

		bpf_probe_read_kernel(&slot->more, DATA_OFFSET + bytes, &room->record);
		slot->more.size = 1;
		return;
	}
	slot->aside |= 1 << number;
	if (spilled.update(&key, &room->record))
		count(LOST_DATA);
}

static __always_inline void capture_aside(struct call_slot *slot, u32 number, const struct capture *capture)
{
	struct data_room *room = scratch();

	if (!room)
		return;
	read_capture(room, slot, capture, 0);
	keep_aside(slot, number, room);
}

/* What is short and has no room inline. */
static __always_inline void capture_more(struct call_slot *slot, u32 arg, const void *from, u64 size)
{
	u64 bytes = at_most(size, WIRE_STRUCT);
	int n = read_user(slot->more.data, bytes, from);

	slot->more.kind = WIRE_DATA;
	slot->more.arg = arg;
	slot->more.flags = 0;
	slot->more.captured = n < 0 ? n : bytes;
	slot->more.size = 1;
}

/* A message that is sent: its buffers inline, its address and control data beside it; 1: they have no room. */
static __always_inline int capture_message(struct call_slot *slot, const struct capture *capture)
{
	struct message *message = (struct message *)slot->data;
	struct data_room *room = scratch();
	u64 vectors;
	int n = read_user(message, sizeof(*message), target_of(slot, capture));

	slot->call.captured = n < 0 ? n : 0;
	if (n < 0 || !room)
		return 0;
	vectors = at_most(message->vectors_length, MESSAGE_VECTORS_INLINE);
	if (message->vectors_length == vectors) {
		n = read_user(slot->data + sizeof(*message), vectors * sizeof(struct vector),
			      (const void *)message->vectors);
		slot->call.captured = n < 0 ? n : sizeof(*message) + vectors * sizeof(struct vector);
	}
	if (message->name && message->name_length)
		capture_more(slot, capture->arg | WIRE_NAME, (const void *)message->name, message->name_length);
	slot->more_of = CAPTURES;
	if (message->control && message->control_length) {
		name_record(room, capture->arg | WIRE_CONTROL, 0);
		read_bytes(room, (const void *)message->control, message->control_length, ARRAY_MAX);
		keep_aside(slot, ASIDE_CONTROL, room);
	}
	return message->vectors_length > vectors;
}

/* The capture whose data goes with the call itself. */
static __always_inline void capture_first(struct call_slot *slot, const struct capture *capture)
{
	const void *from = target_of(slot, capture);
	int n, spill;

	if (kind_of(capture) == CAPTURE_STRING) {
		n = read_user_string(slot->data, WIRE_INLINE, from);
		slot->call.captured = n > 0 ? n - 1 : n;
		spill = n == WIRE_INLINE;
	} else if (kind_of(capture) == CAPTURE_MESSAGE) {
		spill = capture_message(slot, capture);
	} else {
		u64 most;
		u64 size = size_of(slot, capture, 0, &most);
		u64 bytes = at_most(at_most(size, most), WIRE_INLINE);

		spill = size > bytes && most > bytes;
		if (size > bytes && !spill)
			slot->call.flags |= WIRE_INLINE_CUT;
		n = spill ? 0 : read_user(slot->data, bytes, from);
		slot->call.captured = n < 0 ? n : spill ? 0 : bytes;
	}
	if (spill) {
		slot->call.flags |= WIRE_SPILLED;
		capture_aside(slot, 0, capture);
	}
}

/* A capture that is not the first: in the slot where it is short and nothing is there yet. */
static __always_inline void capture_next(struct call_slot *slot, u32 number, const struct capture *capture)
{
	u32 kind = kind_of(capture);
	u64 most;

	if (!slot->more.size && (kind == CAPTURE_BYTES || kind == CAPTURE_SOCKADDR)) {
		u64 size = size_of(slot, capture, 0, &most);

		slot->more_of = number;
		capture_more(slot, capture->arg, target_of(slot, capture), at_most(size, most));
	} else {
		capture_aside(slot, number, capture);
	}
}

/* How much room the caller offers for a result whose size it is told. */
static __always_inline void note_room(struct call_slot *slot, const struct capture *capture)
{
	u64 from = 0;

	if (kind_of(capture) == CAPTURE_MESSAGE)
		from = (u64)target_of(slot, capture) + __builtin_offsetof(struct message, name_length);
	else if (capture->length < WIRE_ARGS)
		from = slot->args[capture->length];
	slot->room = 0;
	if (from)
		read_user(&slot->room, sizeof(slot->room), (const void *)from);
}

/* Whether it takes a loop to read: the verifier shall see it once, not with every capture. */
static __always_inline int is_long(const struct capture *capture)
{
	return kind_of(capture) == CAPTURE_STRINGS || kind_of(capture) == CAPTURE_BUFFERS;
}

/* The vectors of strings that an execve is given. */
static __always_inline void capture_strings(struct call_slot *slot, const struct call_plan *plan)
{
	struct data_room *room = scratch();
	u32 i;

	if (!room)
		return;
#pragma clang loop unroll(disable)
	for (i = 1; i <= STRING_VECTORS; i++) {
		const struct capture *capture = &plan->capture[i];

		if (capture->kind != CAPTURE_STRINGS || !applies(slot, capture))
			continue;
		name_record(room, capture->arg, 0);
		read_strings(room, target_of(slot, capture), slot->call.flags & WIRE_COMPAT);
		keep_aside(slot, i, room);
	}
}

/* Forgets the vector of strings `number`, where it was read in part or not at all; whether it was. */
static __always_inline int forget_cut(struct call_slot *slot, u32 number, u32 arg)
{
	u64 key = spill_key(slot->call.tid, number);
	struct wire_data *data;

	if (slot->more.size && slot->more.arg == arg) {
		if (!(slot->more.flags & WIRE_CUT))
			return 0;
		slot->more.size = 0;
		return 1;
	}
	data = slot->aside & 1 << number ? spilled.lookup(&key) : 0;
	if (!data || (data->captured >= 0 && !(data->flags & WIRE_CUT)))
		return 0;
	slot->aside &= ~(1 << number);
	spilled.delete(&key);
	return 1;
}

/*
 * Reads once more what an execve was given and could not be read at entry: pages of a child are not in its memory until
 * it touches them, those of its program's text among them. The kernel has touched them by now.
 */
static __always_inline void capture_exec_again(struct call_slot *slot, const struct call_plan *plan)
{
	struct data_room *room = scratch();
	u32 i;

	if (!room)
		return;
	if (slot->call.captured == -EFAULT) {
		slot->call.captured = 0;
		slot->call.flags |= WIRE_RETRIED;
		capture_first(slot, &plan->capture[0]);
	}
#pragma clang loop unroll(disable)
	for (i = 1; i <= STRING_VECTORS; i++) {
		const struct capture *capture = &plan->capture[i];

		if (capture->kind != CAPTURE_STRINGS || !forget_cut(slot, i, capture->arg))
			continue;
		name_record(room, capture->arg, 0);
		read_strings(room, target_of(slot, capture), slot->call.flags & WIRE_COMPAT);
		keep_aside(slot, i, room);
	}
}

static __always_inline void capture_rest(struct call_slot *slot, const struct call_plan *plan)
{
	u32 i;

#pragma clang loop unroll(disable)
	for (i = 1; i < CAPTURES; i++) {
		const struct capture *next = &plan->capture[i];

		if (next->kind == CAPTURE_NONE || next->kind & CAPTURE_AT_EXIT)
			break;
		if (applies(slot, next) && !is_long(next))
			capture_next(slot, i, next);
	}
	if (plan->flags & PLAN_EXEC)
		capture_strings(slot, plan);
}

static __always_inline void capture_at_entry(struct call_slot *slot, const struct call_plan *plan)
{
	const struct capture *first = &plan->capture[0];

	if (first->kind & CAPTURE_AT_EXIT) {
		note_room(slot, first);
		return;
	}
	/* A path that is NULL is told as such. */
	if (first->kind == CAPTURE_STRING || applies(slot, first))
		capture_first(slot, first);
	if (plan->capture[1].kind != CAPTURE_NONE)
		capture_rest(slot, plan);
#ifdef DATA_BYTES
	if (plan->buffers && !(plan->capture[plan->buffers & (CAPTURES - 1)].kind & CAPTURE_AT_EXIT)) {
		struct data_room *room = scratch();

		if (room && find_contents(room, slot, plan, DATA_BYTES))
			keep_aside(slot, ASIDE_CONTENTS, room);
	}
#endif
}

/* For a call whose entry was not seen: what would have been read there is read at exit. */
static __always_inline void capture_later(struct call_slot *slot, const struct call_plan *plan)
{
	const struct capture *first = &plan->capture[0];

	if (first->kind & CAPTURE_AT_EXIT)
		note_room(slot, first);
	else if (first->kind == CAPTURE_STRING || applies(slot, first))
		slot->call.captured = -EFAULT;
}
