// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* User memory that a call points at, read at entry, or at exit where it was not resident before. */
#include "wire.h"

#define EFAULT 14
#define TIMESPEC_SIZE 16
#define DATA_OFFSET 8

BPF_F_TABLE("hash", u64, struct wire_data, spilled, MAX_THREADS, BPF_F_NO_PREALLOC);
BPF_PERCPU_ARRAY(data_scratch, struct wire_data, 1);

static __always_inline void capture_inline(struct call_slot *slot, u8 kind, const void *from)
{
	int n;

	if (kind == CAPTURE_STRING) {
		n = bpf_probe_read_user_str(slot->data, WIRE_INLINE, from);
		slot->call.captured = n > 0 ? n - 1 : n;
	} else {
		n = bpf_probe_read_user(slot->data, TIMESPEC_SIZE, from);
		slot->call.captured = n < 0 ? n : TIMESPEC_SIZE;
	}
}

static __always_inline u64 spill_key(u32 tid, u32 capture)
{
	return (u64)tid * CAPTURES + capture;
}

/* Reads a string that has no room in the slot and keeps it until the call ends. */
static __always_inline void capture_aside(struct call_slot *slot, u32 capture, u8 arg, const void *from)
{
	u64 key = spill_key(slot->call.tid, capture);
	struct wire_data *data;
	int zero = 0;
	int n;

	slot->aside += 1;
	data = data_scratch.lookup(&zero);
	if (!data)
		return;
	data->kind = WIRE_DATA;
	data->arg = arg;
	n = bpf_probe_read_user_str(data->data, WIRE_DATA_MAX, from);
	data->captured = n > 0 ? n - 1 : n;
	if (spilled.update(&key, data))
		count(LOST_DATA);
}

static __always_inline void capture_first(struct call_slot *slot, u8 kind, u8 arg)
{
	const void *from;

	if (arg >= WIRE_ARGS)
		return;
	from = (const void *)slot->args[arg];
	capture_inline(slot, kind, from);
	if (kind == CAPTURE_STRING && slot->call.captured == WIRE_INLINE - 1) {
		slot->call.flags |= WIRE_SPILLED;
		capture_aside(slot, 0, arg, from);
	}
}

/* Adds what capture_aside kept for one capture to `batch`, if there is one; `retry`: read it if entry could not. */
static __always_inline void finish_aside(struct wire_batch *batch, struct call_slot *slot, u32 capture, int retry)
{
	u64 key = spill_key(slot->call.tid, capture);
	struct wire_data *data = spilled.lookup(&key);
	struct wire_data *record;
	u64 bytes;

	if (!data)
		return;
	if (batch) {
		if (retry && data->captured == -EFAULT && data->arg < WIRE_ARGS) {
			int n = bpf_probe_read_user_str(data->data, WIRE_DATA_MAX, (const void *)slot->args[data->arg]);

			data->captured = n > 0 ? n - 1 : n;
		}
		bytes = sendable(data->captured, WIRE_DATA_MAX);
		record = next_record(batch);
		bpf_probe_read_kernel(record, DATA_OFFSET + bytes, data);
		add_record(batch, &record->size, DATA_OFFSET + bytes);
	}
	spilled.delete(&key);
}
