// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The batches in which records travel, and the accounts of those that found no room. */
#include "wire.h"

#define BATCH_LAST (WIRE_BATCH_MAX - sizeof(struct wire_data))

enum batch_state {
	BATCH_BUSY = 1,
	BATCH_LOSING = 2, /* the ring has no room for it */
};

/* Calls of one thread that found no room on one CPU between two times that calls did. */
struct lost_key {
	u32 tid;
	u32 cpu;
	u32 burst;
};

struct lost_run {
	u64 count;
	u64 first; /* entry of the first and last of them, ns, CLOCK_MONOTONIC */
	u64 last;
	u32 pid;
	u32 reserved;
};

BPF_PERF_OUTPUT(rings);
BPF_PERCPU_ARRAY(batches, struct wire_batch, 1);
BPF_F_TABLE("hash", struct lost_key, struct lost_run, lost_runs, MAX_LOST_RUNS, BPF_F_NO_PREALLOC);

/* Bytes to send of something of `size` (or -errno); the barrier keeps the compare on the register that is used. */
static __always_inline u64 sendable(s32 size, u64 max)
{
	u64 bytes = (u32)size;

	asm volatile("" : "+r"(bytes));
	if (size < 0)
		return 0;
	asm volatile("" : "+r"(bytes));
	return bytes < max ? bytes : max;
}

/* Accounts for a call that found no room. */
static __always_inline void lose(struct wire_batch *batch, const struct call_slot *slot)
{
	struct lost_key key = {.tid = slot->call.tid, .cpu = bpf_get_smp_processor_id(), .burst = batch->burst};
	struct lost_run *run = lost_runs.lookup(&key);

	count(LOST_SYSCALLS);
	if (run) {
		run->count += 1;
		run->last = slot->call.ts;
	} else {
		struct lost_run first = {
		    .count = 1, .first = slot->call.ts, .last = slot->call.ts, .pid = slot->call.pid};

		lost_runs.update(&key, &first);
	}
}

/* Sends `batch`; 0: the ring has no room for it. */
static __always_inline int send(void *ctx, struct wire_batch *batch)
{
	u64 used = sendable(batch->used, WIRE_BATCH_MAX);

	if (rings.perf_submit(ctx, &batch->calls, sizeof(u32) + used)) {
		batch->state |= BATCH_LOSING;
		return 0;
	}
	if (batch->state & BATCH_LOSING)
		batch->burst += 1;
	batch->state = 0;
	count_many(SENT_SYSCALLS, batch->calls);
	batch->used = 0;
	batch->calls = 0;
	return 1;
}

/*
 * The batch of this CPU, with room for all records of the call in `slot`; 0: there is none, and the call counts as lost.
 * A program that has interrupted another in the midst of this gets none either: kernels to date run these programs with
 * preemption off.
 */
static __always_inline struct wire_batch *open_batch(void *ctx, const struct call_slot *slot)
{
	int zero = 0;
	struct wire_batch *batch = batches.lookup(&zero);

	if (!batch)
		return 0;
	if (batch->state & BATCH_BUSY || (batch->used > WIRE_BATCH_FULL && !send(ctx, batch))) {
		lose(batch, slot);
		return 0;
	}
	batch->state |= BATCH_BUSY;
	return batch;
}

static __always_inline void close_batch(struct wire_batch *batch)
{
	batch->state &= ~BATCH_BUSY;
}

/* Where the next record of `batch` goes. */
static __always_inline void *next_record(struct wire_batch *batch)
{
	u64 used = batch->used;

	asm volatile("" : "+r"(used));
	return batch->data + (used < BATCH_LAST ? used : BATCH_LAST);
}

/* Counts in the record at next_record(), of `bytes` so far; `size` is its first member. */
static __always_inline void add_record(struct wire_batch *batch, u16 *size, u32 bytes)
{
	bytes = (bytes + 7) & ~7;
	*size = bytes;
	batch->used += bytes;
}

/*
 * The batch of this CPU, with room for a short record that is of no call; 0: there is none, and `lost` counts that. A batch
 * that cannot be sent takes no more calls, and has room for some hundreds of these.
 */
static __always_inline struct wire_batch *batch_beside_calls(void *ctx, u32 lost)
{
	int zero = 0;
	struct wire_batch *batch = batches.lookup(&zero);

	if (!batch)
		return 0;
	if (batch->state & BATCH_BUSY ||
	    (batch->used > WIRE_BATCH_FULL && !send(ctx, batch) && batch->used >= BATCH_LAST)) {
		count(lost);
		return 0;
	}
	return batch;
}
