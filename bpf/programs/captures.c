// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* User memory that a call points at, read at entry, or at exit where it was not resident before or is a result. */
#include "wire.h"

#define EFAULT 14
#define DATA_OFFSET 8
#define STRINGS_MAX 128
#define STRINGS_BYTES 4096
#define ASIDE 2

/* A vector is read string by string: the last one may reach past what is kept. */
struct data_room {
	struct wire_data record;
	u8 past[WIRE_DATA_MAX];
};

BPF_F_TABLE("hash", u64, struct wire_data, spilled, MAX_THREADS, BPF_F_NO_PREALLOC);
BPF_PERCPU_ARRAY(data_scratch, struct data_room, 1);

static __always_inline u32 kind_of(const struct capture *capture)
{
	return capture->kind & ~CAPTURE_AT_EXIT;
}

static __always_inline const void *target_of(const struct call_slot *slot, const struct capture *capture)
{
	return capture->arg < WIRE_ARGS ? (const void *)slot->args[capture->arg] : 0;
}

/* Bytes of a struct or socket address, at most SOCKADDR_MAX. At exit an address has at most the room it was given. */
static __always_inline u64 struct_size(const struct call_slot *slot, const struct capture *capture)
{
	u32 size = capture->size;

	if (capture->length < WIRE_ARGS && kind_of(capture) == CAPTURE_BYTES) {
		u64 given = slot->args[capture->length];

		size = given < size ? given : size;
	}
	if (kind_of(capture) == CAPTURE_SOCKADDR) {
		if (capture->length >= WIRE_ARGS)
			return 0;
		size = slot->args[capture->length];
		if (capture->kind & CAPTURE_AT_EXIT) {
			size = 0;
			bpf_probe_read_user(&size, sizeof(size), (const void *)slot->args[capture->length]);
			size = size < slot->room ? size : slot->room;
		}
	}
	return sendable(size, SOCKADDR_MAX);
}

static __always_inline u64 spill_key(u32 tid, u32 number)
{
	return (u64)tid * ASIDE + number;
}

static __always_inline s16 read_string(struct wire_data *data, const void *from)
{
	int n = bpf_probe_read_user_str(data->data, WIRE_DATA_MAX, from);

	return n > 0 ? n - 1 : n;
}

/* Reads the strings of a vector one behind the other, each with its NUL; their bytes, or -errno. */
static __always_inline s16 read_strings(struct data_room *room, const u64 *vector)
{
	u32 used = 0;
	u64 string = 0;
	int i, n;

#pragma clang loop unroll(disable)
	for (i = 0; i < STRINGS_MAX; i++) {
		n = bpf_probe_read_user(&string, sizeof(string), vector + i);
		if (!n && !string)
			return used;
		if (!n)
			n = bpf_probe_read_user_str(room->record.data + (used & (STRINGS_BYTES - 1)), STRINGS_BYTES,
						    (const void *)string);
		if (n < 0 && !i)
			return n;
		if (n < 0 || used + n >= STRINGS_BYTES)
			break;
		used += n;
	}
	room->record.flags |= WIRE_CUT;
	return used;
}

/* Reads what has no room in the slot, a string or a vector of them, and keeps it until the call ends. */
static __always_inline void capture_aside(struct call_slot *slot, u32 number, u8 kind, u8 arg, const void *from)
{
	u64 key = spill_key(slot->call.tid, number);
	struct data_room *room;
	int zero = 0;

	slot->aside += 1;
	room = data_scratch.lookup(&zero);
	if (!room)
		return;
	room->record.kind = WIRE_DATA;
	room->record.arg = arg;
	room->record.flags = 0;
	room->record.captured = kind == CAPTURE_STRINGS ? read_strings(room, from) : read_string(&room->record, from);
	if (spilled.update(&key, &room->record))
		count(LOST_DATA);
}

/* The capture whose data goes with the call itself. */
static __always_inline void capture_first(struct call_slot *slot, const struct capture *capture)
{
	const void *from = target_of(slot, capture);
	int n;

	if (kind_of(capture) == CAPTURE_STRING) {
		n = bpf_probe_read_user_str(slot->data, WIRE_INLINE, from);
		slot->call.captured = n > 0 ? n - 1 : n;
		if (n == WIRE_INLINE) {
			slot->call.flags |= WIRE_SPILLED;
			capture_aside(slot, 0, CAPTURE_STRING, capture->arg, from);
		}
	} else {
		u64 size = struct_size(slot, capture);

		n = bpf_probe_read_user(slot->data, size, from);
		slot->call.captured = n < 0 ? n : size;
	}
}

/* A struct or socket address that is not the first capture. */
static __always_inline void capture_struct(struct call_slot *slot, const struct capture *capture)
{
	u64 size = struct_size(slot, capture);
	int n = bpf_probe_read_user(slot->more.data, size, target_of(slot, capture));

	slot->more.kind = WIRE_DATA;
	slot->more.arg = capture->arg;
	slot->more.captured = n < 0 ? n : size;
	slot->more.size = 1;
}

static __always_inline void capture_at_entry(struct call_slot *slot, const struct call_plan *plan)
{
	const struct capture *second = &plan->capture[1];
	const struct capture *first = &plan->capture[0];

	if (first->kind & CAPTURE_AT_EXIT) {
		if (kind_of(first) == CAPTURE_SOCKADDR && first->length < WIRE_ARGS) {
			slot->room = 0;
			bpf_probe_read_user(&slot->room, sizeof(slot->room), (const void *)slot->args[first->length]);
		}
		return;
	}
	if (first->kind != CAPTURE_NONE)
		capture_first(slot, first);
	if (second->kind == CAPTURE_STRING || second->kind == CAPTURE_STRINGS)
		capture_aside(slot, 1, second->kind, second->arg, target_of(slot, second));
	else if (second->kind != CAPTURE_NONE && !(second->kind & CAPTURE_AT_EXIT))
		capture_struct(slot, second);
}

/* Reads again what was not resident at entry; the call, or the kernel, may have brought it in. */
static __always_inline void capture_again(struct call_slot *slot, const struct call_plan *plan)
{
	if (slot->call.captured == -EFAULT) {
		slot->call.flags |= WIRE_RETRIED;
		capture_first(slot, &plan->capture[0]);
	}
	if (slot->more.size && slot->more.captured == -EFAULT)
		capture_struct(slot, &plan->capture[1]);
}

/* Adds what capture_aside kept under one number to `batch`, if there is something; `retry`: read what entry could not. */
static __always_inline void finish_aside(struct wire_batch *batch, struct call_slot *slot, u32 number, int retry)
{
	u64 key = spill_key(slot->call.tid, number);
	struct wire_data *data = spilled.lookup(&key);
	struct wire_data *record;
	u64 bytes;

	if (!data)
		return;
	if (batch) {
		if (retry && data->captured == -EFAULT && data->arg < WIRE_ARGS)
			data->captured = read_string(data, (const void *)slot->args[data->arg]);
		bytes = sendable(data->captured, WIRE_DATA_MAX);
		record = next_record(batch);
		bpf_probe_read_kernel(record, DATA_OFFSET + bytes, data);
		add_record(batch, &record->size, DATA_OFFSET + bytes);
	}
	spilled.delete(&key);
}

static __always_inline void add_struct(struct wire_batch *batch, struct call_slot *slot)
{
	struct wire_struct *record = next_record(batch);
	u64 bytes = sendable(slot->more.captured, WIRE_STRUCT);

	bpf_probe_read_kernel(record, DATA_OFFSET + bytes, &slot->more);
	add_record(batch, &record->size, DATA_OFFSET + bytes);
}

/* Adds what the kernel wrote to where the arguments of a call that worked point. */
static __always_inline void add_results(struct wire_batch *batch, struct call_slot *slot, const struct call_plan *plan)
{
	int i, n;

#pragma clang loop unroll(disable)
	for (i = 0; i < CAPTURES; i++) {
		const struct capture *capture = &plan->capture[i];
		struct wire_struct *record = next_record(batch);
		u64 bytes;

		if (!(capture->kind & CAPTURE_AT_EXIT))
			continue;
		bytes = struct_size(slot, capture);
		n = bpf_probe_read_user(record->data, bytes, target_of(slot, capture));
		record->kind = WIRE_DATA;
		record->arg = capture->arg;
		record->flags = 0;
		record->captured = n < 0 ? n : bytes;
		add_record(batch, &record->size, DATA_OFFSET + sendable(record->captured, SOCKADDR_MAX));
	}
}
