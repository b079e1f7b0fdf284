// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Sends one record per system call of the chosen processes, made when the call ends.
 *
 * Entry writes into the thread's slot; exit completes the slot and adds it to the batch of its CPU, which is sent when it
 * is full: bpf_perf_event_output() costs more than all the rest, and a batch pays it once for dozens of calls. Compiled by
 * bcc with the defines of bpf/program.py, so that a filter that was not asked for costs nothing:
 *   ONLY_TGID=n                one process
 *   BY_TGID, BY_TID            the processes in the map tgids, the threads in the map tids
 *   COMM_WORD0=n COMM_WORD1=n  threads and processes of that name, given as two little-endian words
 *   BY_UID=n                   calls made with that real uid
 *   SELF_TGID=n                never this process: the recorder
 *   FOLLOW TASK_TGID=n TASK_SIGNAL=n SIGNAL_LIVE=n
 *                              children of recorded processes too; offsets in task_struct and signal_struct, from BTF
 *   FAILED_ONLY                calls that fail
 *   STACKS                     user stacks of calls that fail and of those whose plan asks
 *   MAX_THREADS=n              room for threads, a power of two
 *   MAX_LOST_RUNS=n            room for the accounts of lost calls
 */
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
};

enum capture_kind {
	CAPTURE_NONE = 0,
	CAPTURE_STRING = 1,
	CAPTURE_TIMESPEC = 2,
};

#define CAPTURES 2

/* What to do with a system call: the first capture goes inline, the second in a wire_data record of its own. */
struct call_plan {
	u8 flags;
	u8 arg[CAPTURES];
	u8 kind[CAPTURES];
	u8 nargs;
	u8 reserved[2];
};

enum target_state {
	TARGET_RECORDED = 1,
	TARGET_UNTIL_EXEC = 2, /* a command not yet started: its first execve turns it into the above */
};

enum counter {
	SENT_SYSCALLS,
	LOST_SYSCALLS,
	LOST_DATA,    /* paths kept aside for which there was no room */
	LOST_THREADS, /* calls of threads, and whole processes, for which there was no room */
	LOST_EXITS,   /* calls whose exit was not seen */
	COUNTERS,
};

/* State of a slot: 0, or IN_CALL with what exit has to know of the plan, so that it need not look it up again. */
#define STATE_IDLE 0
#define STATE_IN_CALL 1
#define STATE_OF(plan) (STATE_IN_CALL | (plan)->flags << 8 | (plan)->kind[0] << 16 | (plan)->arg[0] << 24)
#define STATE_FLAGS(state) ((state) >> 8 & 0xff)
#define STATE_KIND(state) ((state) >> 16 & 0xff)
#define STATE_ARG(state) ((state) >> 24)

#define EFAULT 14
#define MAX_ERRNO 4095
#define TIMESPEC_SIZE 16
#define DATA_OFFSET 8
#define BATCH_OFFSETS 0x3ff8

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
BPF_ARRAY(plans, struct call_plan, PLANS);
/*
 * A thread's slot is the one its id points at, modulo MAX_THREADS: an array costs a tenth of a hash. `owners` settles
 * which thread has it; others whose ids point at the same one are `crowded` out.
 */
BPF_ARRAY(slots, struct call_slot, MAX_THREADS);
BPF_F_TABLE("hash", u32, u32, owners, MAX_THREADS, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", u32, struct call_slot, crowded, MAX_THREADS, BPF_F_NO_PREALLOC);
BPF_ARRAY(blank_slot, struct call_slot, 1);
BPF_F_TABLE("hash", u64, struct wire_data, spilled, MAX_THREADS, BPF_F_NO_PREALLOC);
BPF_PERCPU_ARRAY(data_scratch, struct wire_data, 1);
BPF_PERCPU_ARRAY(batches, struct wire_batch, 1);
BPF_PERCPU_ARRAY(counters, u64, COUNTERS);
BPF_F_TABLE("hash", struct lost_key, struct lost_run, lost_runs, MAX_LOST_RUNS, BPF_F_NO_PREALLOC);

#if defined(BY_TGID) || defined(FOLLOW)
BPF_HASH(tgids, u32, u32, MAX_THREADS);
#endif
#ifdef BY_TID
BPF_HASH(tids, u32, u32, MAX_THREADS);
#endif
#ifdef COMM_WORD0
BPF_HASH(named_tgids, u32, u32, MAX_THREADS);
#endif

static __always_inline void count_many(u32 which, u32 many)
{
	u64 *counter = counters.lookup(&which);

	if (counter)
		*counter += many;
}

static __always_inline void count(u32 which)
{
	count_many(which, 1);
}

#ifdef COMM_WORD0
/* A process is chosen by the name of its main thread, a single thread by its own. */
static __always_inline int named(u32 tgid, u32 tid)
{
	u64 comm[2] = {};
	u32 yes = 1;
	int same;

	bpf_get_current_comm(comm, sizeof(comm));
	same = comm[0] == COMM_WORD0 && comm[1] == COMM_WORD1;
	if (tgid != tid)
		return same || named_tgids.lookup(&tgid);
	if (!same)
		named_tgids.delete(&tgid);
	else if (named_tgids.update(&tgid, &yes))
		count(LOST_THREADS);
	return same;
}
#endif

/* Whether calls of the current thread pass the filters that it can come to pass, or fail to pass, at any time. */
static __always_inline int passes(u32 tgid, u32 tid)
{
#ifdef SELF_TGID
	if (tgid == SELF_TGID)
		return 0;
#endif
#ifdef BY_UID
	if ((u32)bpf_get_current_uid_gid() != BY_UID)
		return 0;
#endif
#ifdef COMM_WORD0
	if (!named(tgid, tid))
		return 0;
#endif
	return 1;
}

/* Whether the current thread is among those to be recorded: once it is, it stays so to its end. */
static __always_inline int targeted(u32 tgid, u32 tid, const struct call_plan *plan)
{
#if defined(BY_TGID) || defined(FOLLOW)
	{
		u32 *target = tgids.lookup(&tgid);

		if (target && *target == TARGET_UNTIL_EXEC && plan->flags & PLAN_EXEC)
			*target = TARGET_RECORDED;
		if (target && *target == TARGET_RECORDED)
			return 1;
	}
#endif
#ifdef BY_TID
	if (tids.lookup(&tid))
		return 1;
#endif
#if defined(BY_TGID) || defined(FOLLOW) || defined(BY_TID)
	return 0;
#else
	return 1;
#endif
}

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
static __always_inline struct call_slot *new_slot(u32 tgid, u32 tid)
{
	u32 index = tid & (MAX_THREADS - 1);
	struct call_slot *slot = slot_at(tid);

	if (slot && owners.insert(&index, &tid))
		slot = crowded_slot(slot, tid);
	if (!slot) {
		count(LOST_THREADS);
		return 0;
	}
	slot->state = STATE_IDLE;
	slot->uid_reads = 1;
	slot->call.kind = WIRE_SYSCALL;
	slot->call.pid = tgid;
	slot->tid = tid;
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

static __always_inline void read_arguments(struct call_slot *slot, const struct call_regs *regs)
{
	if (regs->cs == USER32_CS) {
		slot->args[0] = (u32)regs->bx;
		slot->args[1] = (u32)regs->cx;
		slot->args[2] = (u32)regs->dx;
		slot->args[3] = (u32)regs->si;
		slot->args[4] = (u32)regs->di;
		slot->args[5] = (u32)regs->bp;
	} else {
		slot->args[0] = regs->di;
		slot->args[1] = regs->si;
		slot->args[2] = regs->dx;
		slot->args[3] = regs->r10;
		slot->args[4] = regs->r8;
		slot->args[5] = regs->r9;
	}
}

/* Negative numbers have the bit too, and no table has them. */
static __always_inline int is_x32(u64 nr)
{
	return nr >> 30 == 1;
}

static __always_inline u32 number_of(u64 nr)
{
	return is_x32(nr) ? nr & ~X32_SYSCALL_BIT : nr;
}

/* The plan of the call that is being entered, and the flags that say whose table its number is of. */
static __always_inline struct call_plan *plan_of(u64 nr, const struct call_regs *regs, u8 *flags)
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
	return plans.lookup(&index);
}

/* raw tracepoint sys_enter: struct pt_regs *regs, long id */
int on_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32;
	u32 tid = id;
	u64 nr = ctx->args[1];
	struct call_regs regs = {};
	struct call_slot *slot;
	struct call_plan *plan;
	u8 flags;

#ifdef ONLY_TGID
	if (tgid != ONLY_TGID)
		return 0;
#endif
	if (!passes(tgid, tid))
		return 0;
	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)(ctx->args[0] + CALL_REGS_OFFSET));
	plan = plan_of(nr, &regs, &flags);
	slot = slot_of(tid);
	if (!plan)
		return 0;
	if (!(slot && slot->call.pid == tgid) && !targeted(tgid, tid, plan))
		return 0;
	if (slot && plan->flags & PLAN_SETS_UID)
		slot->uid_reads = 2;
	if (!(plan->flags & PLAN_RECORD))
		return 0;
	if (!slot)
		slot = new_slot(tgid, tid);
	if (!slot)
		return 0;
	if (slot->state != STATE_IDLE)
		count(LOST_EXITS);
	if (slot->uid_reads) {
		slot->call.uid = bpf_get_current_uid_gid();
		slot->uid_reads -= 1;
	}
	slot->state = STATE_OF(plan);
	slot->aside = 0;
	slot->call.captured = 0;
	slot->call.flags = flags;
	slot->call.nargs = plan->nargs;
	slot->call.pid = tgid;
	slot->call.tid = tid; /* not always whose the slot is: a thread that executes a program changes its id */
	slot->call.nr = number_of(nr);
	read_arguments(slot, &regs);
	slot->call.ts = bpf_ktime_get_ns();
	if (plan->kind[0] != CAPTURE_NONE)
		capture_first(slot, plan->kind[0], plan->arg[0]);
	if (plan->kind[1] != CAPTURE_NONE && plan->arg[1] < WIRE_ARGS)
		capture_aside(slot, 1, plan->arg[1], (const void *)slot->args[plan->arg[1]]);
	return 0;
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
	return batch->data + (batch->used & BATCH_OFFSETS);
}

/* Counts in the record at next_record(), of `bytes` so far; `size` is its first member. */
static __always_inline void add_record(struct wire_batch *batch, u16 *size, u32 bytes)
{
	bytes = (bytes + 7) & ~7;
	*size = bytes;
	batch->used += bytes;
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

#ifdef STACKS
static __always_inline void add_stack(void *ctx, struct wire_batch *batch)
{
	struct wire_stack *stack = next_record(batch);

	stack->kind = WIRE_STACK;
	stack->arg = 0;
	stack->reserved = 0;
	stack->captured = bpf_get_stack(ctx, stack->ips, sizeof(stack->ips), BPF_F_USER_STACK);
	add_record(batch, &stack->size, DATA_OFFSET + sendable(stack->captured, sizeof(stack->ips)));
}
#endif

static __always_inline void add_call(struct wire_batch *batch, struct call_slot *slot)
{
	struct wire_syscall *record = next_record(batch);
	u64 bytes = sendable(slot->call.captured, WIRE_INLINE);
	u32 head = sizeof(slot->call) + (slot->call.nargs & 7) * sizeof(u64);

	/* All arguments are copied, which costs less than a choice; inline data goes over those that the call has not. */
	__builtin_memcpy(record, &slot->call, sizeof(slot->call) + sizeof(slot->args));
	if (bytes)
		bpf_probe_read_kernel((void *)record + head, bytes, slot->data);
	add_record(batch, &record->size, head + bytes);
	batch->calls += 1;
}

/* raw tracepoint sys_exit: struct pt_regs *regs, long ret */
int on_sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	s64 ret = ctx->args[1];
	struct wire_batch *batch = 0;
	struct call_slot *slot;
	u32 state;
	int failed, retry;

#ifdef ONLY_TGID
	if (id >> 32 != ONLY_TGID)
		return 0;
#endif
	slot = slot_of(id);
	if (!slot || slot->state == STATE_IDLE)
		return 0;
	state = slot->state;
	slot->state = STATE_IDLE;
	slot->call.duration = bpf_ktime_get_ns() - slot->call.ts;
	slot->call.ret = ret;
	failed = ret < 0 && ret >= -MAX_ERRNO;
	retry = failed || !(STATE_FLAGS(state) & PLAN_REPLACES_MEMORY);
#ifdef FAILED_ONLY
	if (failed)
#endif
		batch = open_batch(ctx, slot);
	if (batch && retry && slot->call.captured == -EFAULT) {
		slot->call.flags |= WIRE_RETRIED;
		capture_first(slot, STATE_KIND(state), STATE_ARG(state));
	}
	if (slot->aside) {
		finish_aside(batch, slot, 0, retry);
		finish_aside(batch, slot, 1, retry);
	}
	if (!batch)
		return 0;
#ifdef STACKS
	if (retry && (failed || STATE_FLAGS(state) & PLAN_STACK))
		add_stack(ctx, batch);
#endif
	add_call(batch, slot);
	close_batch(batch);
	return 0;
}

/* raw tracepoint sched_process_exit: struct task_struct *task (the current one) */
int on_process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32;
	u32 tid = id;
	struct call_slot *slot = slot_of(tid);

#ifdef FOLLOW
	{
		u64 signal = 0;
		s32 live = 1;

		/* do_exit() has counted this thread out of signal->live: at 0 it is the last one, and the pid is free. */
		bpf_probe_read_kernel(&signal, sizeof(signal), (void *)(ctx->args[0] + TASK_SIGNAL));
		bpf_probe_read_kernel(&live, sizeof(live), (void *)(signal + SIGNAL_LIVE));
		if (live == 0)
			tgids.delete(&tgid);
	}
#endif
#ifdef COMM_WORD0
	if (tgid == tid)
		named_tgids.delete(&tgid);
#endif
	if (!slot)
		return 0;
	if (slot->state != STATE_IDLE) {
		struct wire_batch *batch = 0;

#ifndef FAILED_ONLY
		batch = open_batch(ctx, slot);
#endif
		slot->state = STATE_IDLE;
		slot->call.flags |= WIRE_NO_RETURN;
		slot->call.duration = 0;
		slot->call.ret = 0;
		if (slot->aside) {
			finish_aside(batch, slot, 0, 0);
			finish_aside(batch, slot, 1, 0);
		}
		if (batch) {
			add_call(batch, slot);
			close_batch(batch);
		}
	}
	free_slot(tid);
	return 0;
}

/*
 * raw tracepoint sched_process_exec: struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm.
 * A thread that executes a program takes over the id of its process: its call goes on under the new id.
 */
int on_process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id;
	u32 old_tid = ctx->args[1];
	struct call_slot *from, *to;

	if (old_tid == tid)
		return 0;
	from = slot_of(old_tid);
	if (!from)
		return 0;
	to = slot_of(tid);
	if (!to)
		to = new_slot(id >> 32, tid);
	if (to) {
		to->state = from->state;
		to->aside = from->aside;
		to->call = from->call;
		__builtin_memcpy(to->args, from->args, sizeof(to->args) + sizeof(to->data));
	}
	free_slot(old_tid);
	return 0;
}

#ifdef FOLLOW
/* raw tracepoint sched_process_fork: struct task_struct *parent (the current one), struct task_struct *child */
int on_process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 recorded = TARGET_RECORDED;
	u32 child = 0;
	u32 *target = tgids.lookup(&tgid);

	if (!target || *target != TARGET_RECORDED)
		return 0;
	bpf_probe_read_kernel(&child, sizeof(child), (void *)(ctx->args[1] + TASK_TGID));
	if (child && child != tgid && tgids.update(&child, &recorded))
		count(LOST_THREADS);
	return 0;
}
#endif
