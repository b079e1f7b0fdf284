// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* User memory that a call points at, read at entry, or at exit where it was not resident before or is a result. */
#include "wire.h"

#define EFAULT 14
#define DATA_OFFSET 8
#define STRINGS_MAX 128
#define ARRAY_MAX 4096
#define BITS_MAX 512
#define ASIDE_CONTROL 6
#define ASIDE_CONTENTS 7
/* Bits of slot->aside while the captures of a call are finished: the verifier forgets what is not in a register. */
#define LATER_MESSAGE 0x100
#define LATER_CONTENTS 0x200

/* A vector is read string by string, contents buffer by buffer: the last one may reach past what is kept. */
struct data_room {
	struct wire_data record;
	u8 past[WIRE_DATA_MAX];
};

struct vector {
	u64 base;
	u64 length;
};

/* struct user_msghdr of 64-bit callers */
struct message {
	u64 name;
	u32 name_length;
	u32 reserved;
	u64 vectors;
	u64 vectors_length;
	u64 control;
	u64 control_length;
	u64 flags;
};

#define MESSAGE_VECTORS_INLINE ((WIRE_INLINE - sizeof(struct message)) / sizeof(struct vector))
#define MESSAGE_VECTORS_MAX ((ARRAY_MAX - sizeof(struct message)) / sizeof(struct vector))

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

/* Whether there is something to capture, and the argument that decides about it says so. */
static __always_inline int applies(const struct call_slot *slot, const struct capture *capture)
{
	u32 value;

	if (capture->kind == CAPTURE_NONE || !target_of(slot, capture))
		return 0;
	if (capture->when >= WIRE_ARGS)
		return 1;
	value = slot->args[capture->when];
	return value >= capture->least && value <= capture->most;
}

static __always_inline u64 at_most(u64 bytes, u64 max)
{
	asm volatile("" : "+r"(bytes));
	return bytes < max ? bytes : max;
}

/* What the kernel says the size of a result is, at most the room that it was given. */
static __always_inline s32 size_given(const struct call_slot *slot, u64 from)
{
	u32 size = 0;

	bpf_probe_read_user(&size, sizeof(size), (const void *)from);
	return size < slot->room ? size : slot->room;
}

/* Bytes that there are of what has no end of its own; `*most`: how many of them may be kept. */
static __always_inline u64 size_of(const struct call_slot *slot, const struct capture *capture, s64 ret, u64 *most)
{
	u32 kind = kind_of(capture);
	u64 given = capture->size;

	if (capture->length == LENGTH_RET)
		given = ret;
	else if (capture->length < WIRE_ARGS)
		given = slot->args[capture->length];
	*most = capture->size;
	if (kind == CAPTURE_ARRAY) {
		*most = ARRAY_MAX;
		return capture->length == LENGTH_NONE ? capture->size : (u64)(u32)given * capture->size;
	}
	if (kind == CAPTURE_BITS) {
		*most = BITS_MAX;
		return (sendable(given, 1 << 30) + 63) / 64 * 8;
	}
#ifdef DATA_BYTES
	if (kind == CAPTURE_CONTENTS) {
		*most = DATA_BYTES;
		return given;
	}
#endif
	if (kind == CAPTURE_SOCKADDR)
		*most = SOCKADDR_MAX;
	if (capture->length < WIRE_ARGS && capture->kind & CAPTURE_AT_EXIT)
		given = size_given(slot, given);
	return kind == CAPTURE_SOCKADDR ? sendable(given, SOCKADDR_MAX) : given;
}

static __always_inline u64 spill_key(u32 tid, u32 number)
{
	return (u64)tid * WIRE_ASIDE + number;
}

static __always_inline struct data_room *scratch(void)
{
	int zero = 0;

	return data_scratch.lookup(&zero);
}

/* An offset into what is kept; the barrier has the compiler leave the bound where the verifier sees it. */
static __always_inline u64 offset_in(u64 used)
{
	asm volatile("" : "+r"(used));
	return used & (ARRAY_MAX - 1);
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
			n = bpf_probe_read_user_str(room->record.data + offset_in(used), ARRAY_MAX,
						    (const void *)string);
		if (n < 0 && !i)
			return n;
		if (n < 0 || used + n >= ARRAY_MAX)
			break;
		used += n;
	}
	room->record.flags |= WIRE_CUT;
	return used;
}

static __always_inline void read_bytes(struct wire_data *data, const void *from, u64 size, u64 most)
{
	u64 bytes = at_most(at_most(size, most), ARRAY_MAX);
	int n = bpf_probe_read_user(data->data, bytes, from);

	data->captured = n < 0 ? n : bytes;
	if (size > bytes)
		data->flags |= WIRE_CUT;
}

#ifdef DATA_BYTES
/* Reads the first of what stands in the buffers of a vector, `most` bytes in all. */
static __always_inline void read_contents(struct data_room *room, u64 vectors, u64 length, u64 most)
{
	u32 used = 0, left;
	int i, n = 0;

	most = at_most(most, DATA_BYTES);
#pragma clang loop unroll(disable)
	for (i = 0; i < VECTORS_MAX; i++) {
		struct vector vector = {};
		u64 bytes;

		left = most - used;
		if (i >= length || used >= most)
			break;
		n = bpf_probe_read_user(&vector, sizeof(vector), (const void *)(vectors + i * sizeof(vector)));
		if (n < 0)
			break;
		bytes = at_most(at_most(vector.length, left), DATA_BYTES);
		n = bpf_probe_read_user(room->record.data + offset_in(used), bytes, (const void *)vector.base);
		if (n < 0)
			break;
		used += bytes;
	}
	room->record.captured = n < 0 && !used ? n : used;
}
#endif

static __always_inline void name_record(struct data_room *room, u32 arg, u32 flags)
{
	room->record.kind = WIRE_DATA;
	room->record.arg = arg;
	room->record.flags = flags;
}

#ifdef DATA_BYTES
/* Reads `most` bytes of what stands in the buffers that `plan` names; 0: there are none. */
static __always_inline int find_contents(struct data_room *room, const struct call_slot *slot,
					 const struct call_plan *plan, u64 most)
{
	const struct capture *capture = &plan->capture[plan->buffers & (CAPTURES - 1)];
	struct vector all = {.base = (u64)target_of(slot, capture)};

	if (!all.base)
		return 0;
	if (kind_of(capture) != CAPTURE_MESSAGE)
		all.length = capture->length < WIRE_ARGS ? slot->args[capture->length] : 0;
	else if (bpf_probe_read_user(&all, sizeof(all),
				     (const void *)(all.base + __builtin_offsetof(struct message, vectors))))
		return 0;
	name_record(room, capture->arg | WIRE_CONTENTS, capture->kind & CAPTURE_AT_EXIT ? WIRE_AT_EXIT : 0);
	read_contents(room, all.base, all.length, most);
	return 1;
}
#endif

/* A message with what its buffers are, as far as there is room. */
static __always_inline void read_message(struct wire_data *data, const void *from)
{
	struct message *message = (struct message *)data->data;
	int n = bpf_probe_read_user(message, sizeof(*message), from);
	u64 vectors;

	data->captured = n < 0 ? n : sizeof(*message);
	if (n < 0)
		return;
	vectors = at_most(message->vectors_length, MESSAGE_VECTORS_MAX);
	if (message->vectors_length > vectors)
		data->flags |= WIRE_CUT;
	n = bpf_probe_read_user(message + 1, vectors * sizeof(struct vector), (const void *)message->vectors);
	data->captured = n < 0 ? n : sizeof(*message) + vectors * sizeof(struct vector);
}

/* Reads into `room` what `capture` names; strings, buffers of a vector and messages are read elsewhere, once. */
static __always_inline void read_capture(struct data_room *room, const struct call_slot *slot,
					 const struct capture *capture, s64 ret)
{
	const void *from = target_of(slot, capture);
	u64 most, size;

	name_record(room, capture->arg, capture->kind & CAPTURE_AT_EXIT ? WIRE_AT_EXIT : 0);
	if (kind_of(capture) == CAPTURE_STRING) {
		room->record.captured = read_string(&room->record, from);
	} else if (kind_of(capture) == CAPTURE_MESSAGE) {
		read_message(&room->record, from);
	} else {
		size = size_of(slot, capture, ret, &most);
		read_bytes(&room->record, from, size, most);
	}
}

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
	int n = bpf_probe_read_user(slot->more.data, bytes, from);

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
	int n = bpf_probe_read_user(message, sizeof(*message), target_of(slot, capture));

	slot->call.captured = n < 0 ? n : 0;
	if (n < 0 || !room)
		return 0;
	vectors = at_most(message->vectors_length, MESSAGE_VECTORS_INLINE);
	if (message->vectors_length == vectors) {
		n = bpf_probe_read_user(slot->data + sizeof(*message), vectors * sizeof(struct vector),
					(const void *)message->vectors);
		slot->call.captured = n < 0 ? n : sizeof(*message) + vectors * sizeof(struct vector);
	}
	if (message->name && message->name_length)
		capture_more(slot, capture->arg | WIRE_NAME, (const void *)message->name, message->name_length);
	slot->more_of = CAPTURES;
	if (message->control && message->control_length) {
		name_record(room, capture->arg | WIRE_CONTROL, 0);
		read_bytes(&room->record, (const void *)message->control, message->control_length, ARRAY_MAX);
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
		n = bpf_probe_read_user_str(slot->data, WIRE_INLINE, from);
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
		n = spill ? 0 : bpf_probe_read_user(slot->data, bytes, from);
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
		bpf_probe_read_user(&slot->room, sizeof(slot->room), (const void *)from);
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
	for (i = 1; i < 3; i++) {
		const struct capture *capture = &plan->capture[i];

		if (capture->kind != CAPTURE_STRINGS || !applies(slot, capture))
			continue;
		name_record(room, capture->arg, 0);
		room->record.captured = read_strings(room, target_of(slot, capture));
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

static __always_inline int unread(const struct call_slot *slot)
{
	return slot->call.captured == -EFAULT || (slot->more.size && slot->more.captured == -EFAULT);
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

	if (bpf_probe_read_user(&message, sizeof(message), target_of(slot, capture)))
		return;
	if (message.name && message.name_length) {
		name_record(room, capture->arg | WIRE_NAME, flags);
		read_bytes(&room->record, (const void *)message.name,
			   flags ? at_most(message.name_length, slot->room) : message.name_length, SOCKADDR_MAX);
		add_data(batch, &room->record);
	}
	if (message.control && message.control_length) {
		name_record(room, capture->arg | WIRE_CONTROL, flags);
		read_bytes(&room->record, (const void *)message.control, message.control_length, ARRAY_MAX);
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
static __always_inline int forget_unread(struct call_slot *slot, u32 number)
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
	return 0;
}

/*
 * Adds what was captured besides the first to `batch`: what was kept aside, what can be read only now (`retry`), and, of a call that worked, what the kernel wrote to where arguments point.
 */
static __always_inline void finish_captures(struct wire_batch *batch, struct call_slot *slot, int worked, int retry)
{
	struct call_plan *plan = plans.lookup(&slot->plan);
	struct data_room *room = scratch();
	u32 i;

	if (!plan || !room)
		return;
#pragma clang loop unroll(disable)
	for (i = 0; i < CAPTURES; i++) {
		const struct capture *capture = &plan->capture[i];
		int now = 0;

		if (slot->aside & 1 << i)
			now = finish_aside(batch, slot, i, retry && !is_long(capture));
		if (i == ASIDE_CONTENTS && now) {
			slot->aside |= LATER_CONTENTS;
			now = 0;
		}
		if (retry && forget_unread(slot, i))
			now = 1;
		if (worked && has_result(slot, capture))
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

		if (at_exit ? worked && slot->call.ret : slot->aside & LATER_CONTENTS)
			if (find_contents(room, slot, plan, at_exit ? slot->call.ret : DATA_BYTES))
				add_data(batch, &room->record);
	}
#endif
}
