// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Sends one record per system call of the chosen processes, made when the call ends.
 *
 * Entry writes into the thread's slot; exit completes the slot and adds it to the batch of its CPU, which is sent when it
 * is full: bpf_perf_event_output() costs more than all the rest, and a batch pays it once for dozens of calls. Compiled by
 * bcc, behind the other files here, with the defines of bpf/program.py: a filter that was not asked for costs nothing.
 *   ONLY_TGID=n                one process
 *   BY_TGID, BY_TID            the processes in the map tgids, the threads in the map tids
 *   COMM_WORD0=n COMM_WORD1=n  threads and processes of that name, given as two little-endian words
 *   BY_UID=n                   calls made with that real uid
 *   SELF_TGID=n                never this process: the recorder
 *   FOLLOW TASK_TGID=n TASK_SIGNAL=n SIGNAL_LIVE=n
 *                              children of recorded processes too; offsets in task_struct and signal_struct, from BTF
 *   FAILED_ONLY                calls that fail
 *   DATA_BYTES=n               the first bytes of what is read, written, sent and received
 *   VECTORS_MAX=n              ... from as many buffers of one call
 *   STACKS                     user stacks of calls that fail and of those whose plan asks
 *   MAX_THREADS=n              room for threads, a power of two
 *   MAX_LOST_RUNS=n            room for the accounts of lost calls
 */
#include "pt_regs.h"
#include "wire.h"

#define MAX_ERRNO 4095

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
	u32 index;
	u8 flags;

#ifdef ONLY_TGID
	if (tgid != ONLY_TGID)
		return 0;
#endif
	if (!passes(tgid, tid))
		return 0;
	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)(ctx->args[0] + CALL_REGS_OFFSET));
	index = plan_index(nr, &regs, &flags);
	plan = plans.lookup(&index);
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
	slot->plan = index;
	slot->aside = 0;
	slot->more.size = 0;
	slot->call.captured = 0;
	slot->call.flags = flags;
	slot->call.nargs = plan->nargs;
	slot->call.pid = tgid;
	slot->call.tid = tid; /* not always whose the slot is: a thread that executes a program changes its id */
	slot->call.nr = number_of(nr);
	read_arguments(slot, &regs);
	slot->call.ts = bpf_ktime_get_ns();
	if (plan->capture[0].kind != CAPTURE_NONE)
		capture_at_entry(slot, plan);
	return 0;
}

#ifdef STACKS
static __always_inline void add_stack(void *ctx, struct wire_batch *batch)
{
	struct wire_stack *stack = next_record(batch);

	stack->kind = WIRE_STACK;
	stack->arg = 0;
	stack->flags = 0;
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
	if (!batch) {
		if (slot->aside)
			finish_asides(batch, slot);
		return 0;
	}
	if (slot->aside || unread(slot) || STATE_FLAGS(state) & PLAN_AT_EXIT)
		finish_captures(batch, slot, !failed, retry);
	if (slot->more.size)
		add_struct(batch, slot);
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
		if (slot->aside)
			finish_asides(batch, slot);
		if (batch) {
			if (slot->more.size)
				add_struct(batch, slot);
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
		to->more = from->more;
		to->plan = from->plan;
		to->room = from->room;
		to->more_of = from->more_of;
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
