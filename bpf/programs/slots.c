// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Where a call is kept from entry to exit. */
#include "wire.h"

/* State of a slot: 0, SKIPPED in a call that is not recorded, or IN_CALL with the flags of the plan. */
#define STATE_IDLE 0
#define STATE_IN_CALL 1
#define STATE_SKIPPED 2
#define STATE_ENDING 4 /* all is known of it but its stack */
#define STATE_OF(plan) (STATE_IN_CALL | (plan)->flags << 8)
#define STATE_FLAGS(state) ((state) >> 8 & 0xff)

/*
 * A thread's slot is the one its id points at, modulo MAX_THREADS: a lookup in a hash would cost 45 ns. `owners` settles
 * which thread has it; others whose ids point at the same one are `crowded` out.
 */
BPF_ARRAY(slots, struct call_slot, MAX_THREADS);
BPF_F_TABLE("hash", u32, u32, owners, MAX_THREADS, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", u32, struct call_slot, crowded, MAX_THREADS, BPF_F_NO_PREALLOC);
BPF_ARRAY(blank_slot, struct call_slot, 1);

/*
 * Threads in a call that was counted as lost because there was no room for them, a bit each: when the call ends, there may
 * be room, and it must not be recorded then. Thread ids are below PID_MAX_LIMIT. Only a thread itself changes its bit, so
 * adding does what an atomic OR would, which older kernels do not have.
 */
#define THREAD_IDS (1 << 22)
BPF_ARRAY(roomless, u64, THREAD_IDS / 64);

/* When recording began, ns, CLOCK_MONOTONIC; 0: it has not. */
BPF_ARRAY(began, u64, 1);

static __always_inline struct call_slot *slot_at(u32 tid)
{
	u32 index = tid & (MAX_THREADS - 1);

	return slots.lookup(&index);
}

/* The slot of thread `tid`; 0: it has none. */
static __always_inline struct call_slot *slot_of(u32 tid)
{
	struct call_slot *slot = slot_at(tid);

	if (!slot || slot->tid == tid)
		return slot;
	return slot->crowd ? crowded.lookup(&tid) : 0;
}

/* Whether thread `tid` is a helper of the recorder. */
static __always_inline int is_own(u32 tid)
{
	struct call_slot *slot = slot_of(tid);

	return slot && slot->own;
}

/* Whether the current thread is one whose calls are recorded, if it makes any. */
static __always_inline int is_recorded(u32 tgid, u32 tid)
{
#ifdef ONLY_TGID
	if (tgid != (u32)constant(CONSTANT_TGID))
		return 0;
#endif
#ifdef BY_NAME
	if (!has_name(tgid, tid))
		return 0;
#endif
	return in_scope(tgid) && already_targeted(tgid, tid) && !is_own(tid);
}

static __always_inline struct call_slot *crowded_slot(struct call_slot *taken, u32 tid)
{
	int zero = 0;
	struct call_slot *blank = blank_slot.lookup(&zero);
	struct call_slot *slot;

	if (!blank || crowded.update(&tid, blank))
		return 0;
	slot = crowded.lookup(&tid);
	if (slot)
		__sync_fetch_and_add(&taken->crowd, 1);
	return slot;
}

/* A slot for thread `tid`, which has none; 0: there is no room. */
static __always_inline struct call_slot *free_slot_for(u32 tgid, u32 tid)
{
	u32 index = tid & (MAX_THREADS - 1);
	struct call_slot *slot = slot_at(tid);

	if (slot && owners.insert(&index, &tid))
		slot = crowded_slot(slot, tid);
	if (!slot)
		return 0;
	slot->state = STATE_IDLE;
	slot->uid_reads = 1;
	slot->own = 0;
	slot->call.kind = WIRE_SYSCALL;
	slot->call.pid = tgid;
	slot->tid = tid;
	return slot;
}

static __always_inline u64 *roomless_word(u32 tid)
{
	u32 index = tid / 64;

	return roomless.lookup(&index);
}

static __always_inline void mark_roomless(u32 tid)
{
	u64 *word = roomless_word(tid);
	u64 bit = 1ULL << (tid & 63);

	if (word && !(*word & bit))
		__sync_fetch_and_add(word, bit);
}

/* Whether thread `tid` was marked so; from now on it is not. */
static __always_inline int was_roomless(u32 tid)
{
	u64 *word = roomless_word(tid);
	u64 bit = 1ULL << (tid & 63);

	if (!word || !(*word & bit))
		return 0;
	__sync_fetch_and_add(word, -bit);
	return 1;
}

/* The same as free_slot_for() for a thread in a call, which is counted as lost where there is no room. */
static __always_inline struct call_slot *new_slot(u32 tgid, u32 tid)
{
	struct call_slot *slot = free_slot_for(tgid, tid);

	if (!slot) {
		count(LOST_THREADS);
		mark_roomless(tid);
	}
	return slot;
}

static __always_inline void free_slot(u32 tid)
{
	u32 index = tid & (MAX_THREADS - 1);
	struct call_slot *slot = slot_at(tid);

	if (!slot)
		return;
	if (slot->tid == tid) {
		slot->tid = 0;
		owners.delete(&index);
	} else if (slot->crowd && !crowded.delete(&tid)) {
		__sync_fetch_and_add(&slot->crowd, -1);
	}
}
