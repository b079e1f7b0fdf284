// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Reading what an argument points at: how much there is, and into which room it goes. */
#include "wire.h"

/* bcc searches all of /proc/kallsyms, a tenth of a second, for each call of bpf_probe_read_user by that name. */
static long (*const read_user)(void *to, u32 bytes, const void *from) = (void *)BPF_FUNC_probe_read_user;
static long (*const read_user_string)(void *to, u32 bytes, const void *from) = (void *)BPF_FUNC_probe_read_user_str;

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
#define LATER_STRINGS 0x1000
#define MAY_RETRY 0x400
#define HAS_WORKED 0x800
#define MAX_ERRNO 4095

/* A vector is read string by string, contents buffer by buffer: the last one may reach past what is kept. */
struct data_room {
	struct wire_data record;
	u8 past[WIRE_DATA_MAX];
	u64 vector; /* of strings: where the next pointer is, and its width */
	u64 width;
	u64 number; /* see forgotten() */
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

	read_user(&size, sizeof(size), (const void *)from);
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
	int n = read_user_string(data->data, WIRE_DATA_MAX, from);

	return n > 0 ? n - 1 : n;
}

/*
 * Reads the strings of a vector one behind the other, each with its NUL; captured: their bytes, or -errno. All it needs is
 * kept in memory, which the verifier does not follow: the ways into the loop and out of it are all one to it.
 */
static __always_inline void read_strings(struct data_room *room, const void *vector, int is_compat)
{
	int i, n;

	room->vector = (u64)vector;
	room->width = is_compat ? sizeof(u32) : sizeof(u64);
	room->record.captured = 0;
#pragma clang loop unroll(disable)
	for (i = 0; i < STRINGS_MAX; i++) {
		u64 string[2] = {};

		n = read_user(string, room->width & (sizeof(u32) | sizeof(u64)), (const void *)room->vector);
		if (n < 0)
			goto unread;
		if (!string[0])
			return;
		n = read_user_string(room->record.data + offset_in(room->record.captured), ARRAY_MAX,
				     (const void *)string[0]);
		if (n < 0)
			goto unread;
		if (room->record.captured + n >= ARRAY_MAX)
			break;
		room->record.captured += n;
		room->vector += room->width;
	}
	room->record.flags |= WIRE_CUT;
	return;
unread:
	/* Each string that was read has a byte at least. */
	if (room->record.captured)
		room->record.flags |= WIRE_CUT;
	else
		room->record.captured = n;
}

/* `number`, of which the verifier knows nothing any more: how it was come by makes no difference to what follows. */
static __always_inline u64 forgotten(struct data_room *room, u64 number)
{
	*(volatile u64 *)&room->number = number;
	return *(volatile u64 *)&room->number;
}

static __always_inline void read_bytes(struct data_room *room, const void *from, u64 size, u64 most)
{
	struct wire_data *data = &room->record;
	u64 bytes = at_most(forgotten(room, at_most(size, most)), ARRAY_MAX);
	int n = read_user(data->data, bytes, from);

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
		n = read_user(&vector, sizeof(vector), (const void *)(vectors + i * sizeof(vector)));
		if (n < 0)
			break;
		bytes = at_most(at_most(vector.length, left), DATA_BYTES);
		n = read_user(room->record.data + offset_in(used), bytes, (const void *)vector.base);
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
	else if (read_user(&all, sizeof(all), (const void *)(all.base + __builtin_offsetof(struct message, vectors))))
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
	int n = read_user(message, sizeof(*message), from);
	u64 vectors;

	data->captured = n < 0 ? n : sizeof(*message);
	if (n < 0)
		return;
	vectors = at_most(message->vectors_length, MESSAGE_VECTORS_MAX);
	if (message->vectors_length > vectors)
		data->flags |= WIRE_CUT;
	n = read_user(message + 1, vectors * sizeof(struct vector), (const void *)message->vectors);
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
		read_bytes(room, from, size, most);
	}
}
