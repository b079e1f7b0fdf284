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
 *   MAX_THREADS=n              room for threads
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
	u8 reserved[3];
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

/*
 * State of a slot: 0, or IN_CALL with what exit has to know of the plan, so that it need not look it up again. User
 * space reads the slots that are in a call when recording stops.
 */
#define STATE_IDLE 0
#define STATE_IN_CALL 1
#define STATE_OF(plan) (STATE_IN_CALL | (plan)->flags << 8 | (plan)->kind[0] << 16 | (plan)->arg[0] << 24)
#define STATE_FLAGS(state) ((state) >> 8 & 0xff)
#define STATE_KIND(state) ((state) >> 16 & 0xff)
#define STATE_ARG(state) ((state) >> 24)

#define EFAULT 14
#define MAX_ERRNO 4095
#define TIMESPEC_SIZE 16
#define INLINE_OFFSET 104
#define DATA_OFFSET 24
#define BATCH_OFFSETS 0x3ff8

BPF_PERF_OUTPUT(rings);
BPF_ARRAY(plans, struct call_plan, PLANS);
BPF_HASH(slots, u32, struct wire_syscall, MAX_THREADS);
BPF_ARRAY(blank_slot, struct wire_syscall, 1);
BPF_F_TABLE("hash", u64, struct wire_data, spilled, MAX_THREADS, BPF_F_NO_PREALLOC);
BPF_PERCPU_ARRAY(data_scratch, struct wire_data, 1);
BPF_PERCPU_ARRAY(batches, struct wire_batch, 1);
BPF_PERCPU_ARRAY(counters, u64, COUNTERS);

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

/* Whether the current thread's calls are recorded. */
static __always_inline int wanted(u32 tgid, u32 tid, const struct call_plan *plan)
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

static __always_inline struct wire_syscall *slot_of(u32 tgid, u32 tid)
{
	struct wire_syscall *slot = slots.lookup(&tid);
	struct wire_syscall *blank;
	int zero = 0;

	if (slot)
		return slot;
	blank = blank_slot.lookup(&zero);
	if (!blank)
		return 0;
	slots.update(&tid, blank);
	slot = slots.lookup(&tid);
	if (!slot) {
		count(LOST_THREADS);
		return 0;
	}
	slot->magic = WIRE_MAGIC;
	slot->kind = WIRE_SYSCALL;
	slot->pid = tgid;
	return slot;
}

static __always_inline void capture_inline(struct wire_syscall *slot, u8 kind, const void *from)
{
	int n;

	if (kind == CAPTURE_STRING) {
		n = bpf_probe_read_user_str(slot->data, WIRE_INLINE, from);
		slot->inline_size = n > 0 ? n - 1 : n;
	} else {
		n = bpf_probe_read_user(slot->data, TIMESPEC_SIZE, from);
		slot->inline_size = n < 0 ? n : TIMESPEC_SIZE;
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
static __always_inline void capture_aside(struct wire_syscall *slot, u32 capture, u8 arg, const void *from)
{
	u64 key = spill_key(slot->tid, capture);
	struct wire_data *data;
	int zero = 0;
	int n;

	slot->extras += 1;
	data = data_scratch.lookup(&zero);
	if (!data)
		return;
	data->magic = WIRE_MAGIC;
	data->kind = WIRE_DATA;
	data->arg = arg;
	data->ts = slot->ts;
	data->tid = slot->tid;
	n = bpf_probe_read_user_str(data->data, WIRE_DATA_MAX, from);
	data->size = n > 0 ? n - 1 : n;
	if (spilled.update(&key, data))
		count(LOST_DATA);
}

static __always_inline void capture_first(struct wire_syscall *slot, u8 kind, u8 arg)
{
	const void *from;

	if (arg >= WIRE_ARGS)
		return;
	from = (const void *)slot->args[arg];
	capture_inline(slot, kind, from);
	if (kind == CAPTURE_STRING && slot->inline_size == WIRE_INLINE - 1) {
		slot->flags |= WIRE_SPILLED;
		capture_aside(slot, 0, arg, from);
	}
}

static __always_inline void read_arguments(struct wire_syscall *slot, const struct call_regs *regs)
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
	struct wire_syscall *slot;
	struct call_plan *plan;
	u8 flags;

#ifdef ONLY_TGID
	if (tgid != ONLY_TGID)
		return 0;
#endif
	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)(ctx->args[0] + CALL_REGS_OFFSET));
	plan = plan_of(nr, &regs, &flags);
	if (!plan || !wanted(tgid, tid, plan) || !(plan->flags & PLAN_RECORD))
		return 0;
	slot = slot_of(tgid, tid);
	if (!slot)
		return 0;
	if (slot->rest != STATE_IDLE)
		count(LOST_EXITS);
	slot->rest = STATE_OF(plan);
	slot->flags = flags;
	slot->tid = tid; /* another than before, once a thread has executed a program */
	slot->nr = number_of(nr);
	slot->uid = bpf_get_current_uid_gid();
	slot->extras = 0;
	slot->inline_size = 0;
	read_arguments(slot, &regs);
	slot->ts = bpf_ktime_get_ns();
	if (plan->kind[0] != CAPTURE_NONE)
		capture_first(slot, plan->kind[0], plan->arg[0]);
	if (plan->kind[1] != CAPTURE_NONE && plan->arg[1] < WIRE_ARGS)
		capture_aside(slot, 1, plan->arg[1], (const void *)slot->args[plan->arg[1]]);
	return 0;
}

/*
 * The batch of this CPU, with room for all records of one call. A program that has interrupted another in the midst of
 * this gets none, and its call counts as lost: kernels to date run these programs with preemption off.
 */
static __always_inline struct wire_batch *open_batch(void *ctx)
{
	int zero = 0;
	struct wire_batch *batch = batches.lookup(&zero);
	u64 used;

	if (!batch)
		return 0;
	if (batch->busy) {
		count(LOST_SYSCALLS);
		return 0;
	}
	batch->busy = 1;
	if (batch->used > WIRE_BATCH_FULL) {
		used = sendable(batch->used, WIRE_BATCH_MAX);
		batch->magic = WIRE_MAGIC;
		batch->kind = WIRE_BATCH;
		if (rings.perf_submit(ctx, &batch->magic, sizeof(u32) + used))
			count_many(LOST_SYSCALLS, batch->calls);
		else
			count_many(SENT_SYSCALLS, batch->calls);
		batch->used = 0;
		batch->calls = 0;
	}
	return batch;
}

static __always_inline void close_batch(struct wire_batch *batch)
{
	batch->busy = 0;
}

/* Where the next record of `batch` goes. */
static __always_inline void *next_record(struct wire_batch *batch)
{
	return batch->data + (batch->used & BATCH_OFFSETS);
}

/* Counts in the record at next_record(), of `bytes` so far; `rest` is its first word. */
static __always_inline void add_record(struct wire_batch *batch, u32 *rest, u32 bytes)
{
	bytes = (bytes + 7) & ~7;
	*rest = bytes - sizeof(u32);
	batch->used += bytes;
}

/* Adds what capture_aside kept for one capture to `batch`, if there is one; `retry`: read it if entry could not. */
static __always_inline void finish_aside(struct wire_batch *batch, struct wire_syscall *slot, u32 capture, int retry)
{
	u64 key = spill_key(slot->tid, capture);
	struct wire_data *data = spilled.lookup(&key);
	struct wire_data *record;
	u64 size;

	if (!data)
		return;
	if (batch) {
		if (retry && data->size == -EFAULT && data->arg < WIRE_ARGS) {
			int n = bpf_probe_read_user_str(data->data, WIRE_DATA_MAX, (const void *)slot->args[data->arg]);

			data->size = n > 0 ? n - 1 : n;
		}
		size = sendable(data->size, WIRE_DATA_MAX);
		record = next_record(batch);
		bpf_probe_read_kernel(record, DATA_OFFSET + size, data);
		add_record(batch, &record->rest, DATA_OFFSET + size);
	}
	spilled.delete(&key);
}

#ifdef STACKS
static __always_inline void add_stack(void *ctx, struct wire_batch *batch, struct wire_syscall *slot)
{
	struct wire_stack *stack = next_record(batch);

	stack->magic = WIRE_MAGIC;
	stack->kind = WIRE_STACK;
	stack->reserved = 0;
	stack->ts = slot->ts;
	stack->tid = slot->tid;
	stack->size = bpf_get_stack(ctx, stack->ips, sizeof(stack->ips), BPF_F_USER_STACK);
	slot->extras += 1;
	add_record(batch, &stack->rest, DATA_OFFSET + sendable(stack->size, sizeof(stack->ips)));
}
#endif

static __always_inline void add_call(struct wire_batch *batch, struct wire_syscall *slot)
{
	struct wire_syscall *record = next_record(batch);
	u64 size = sendable(slot->inline_size, WIRE_INLINE);

	__builtin_memcpy(record, slot, INLINE_OFFSET);
	if (size)
		bpf_probe_read_kernel(record->data, size, slot->data);
	add_record(batch, &record->rest, INLINE_OFFSET + size);
	batch->calls += 1;
}

/* raw tracepoint sys_exit: struct pt_regs *regs, long ret */
int on_sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id;
	s64 ret = ctx->args[1];
	struct wire_batch *batch = 0;
	struct wire_syscall *slot;
	u32 state;
	int failed, retry;

#ifdef ONLY_TGID
	if (id >> 32 != ONLY_TGID)
		return 0;
#endif
	slot = slots.lookup(&tid);
	if (!slot || slot->rest == STATE_IDLE)
		return 0;
	state = slot->rest;
	slot->rest = STATE_IDLE;
	slot->duration = bpf_ktime_get_ns() - slot->ts;
	slot->ret = ret;
	failed = ret < 0 && ret >= -MAX_ERRNO;
	retry = failed || !(STATE_FLAGS(state) & PLAN_REPLACES_MEMORY);
#ifdef FAILED_ONLY
	if (failed)
#endif
		batch = open_batch(ctx);
	if (batch && retry && slot->inline_size == -EFAULT) {
		slot->flags |= WIRE_RETRIED;
		capture_first(slot, STATE_KIND(state), STATE_ARG(state));
	}
	if (slot->extras) {
		finish_aside(batch, slot, 0, retry);
		finish_aside(batch, slot, 1, retry);
	}
	if (!batch)
		return 0;
#ifdef STACKS
	if (retry && (failed || STATE_FLAGS(state) & PLAN_STACK))
		add_stack(ctx, batch, slot);
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
	struct wire_syscall *slot = slots.lookup(&tid);

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
	if (slot->rest != STATE_IDLE) {
		struct wire_batch *batch = 0;

#ifndef FAILED_ONLY
		batch = open_batch(ctx);
#endif
		slot->flags |= WIRE_NO_RETURN;
		slot->duration = 0;
		slot->ret = 0;
		if (slot->extras) {
			finish_aside(batch, slot, 0, 0);
			finish_aside(batch, slot, 1, 0);
		}
		if (batch) {
			add_call(batch, slot);
			close_batch(batch);
		}
	}
	slots.delete(&tid);
	return 0;
}

/*
 * raw tracepoint sched_process_exec: struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm.
 * A thread that executes a program takes over the id of its process: its call goes on under the new id.
 */
int on_process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 old_tid = ctx->args[1];
	struct wire_syscall *slot;

	if (old_tid == tid)
		return 0;
	slot = slots.lookup(&old_tid);
	if (!slot)
		return 0;
	slots.update(&tid, slot);
	slots.delete(&old_tid);
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
