// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Sends one record per system call of the chosen processes, made when the call ends.
 *
 * Entry writes into the thread's slot; exit completes the slot and adds it to the batch of its CPU, which is sent when it
 * is full: bpf_perf_event_output() costs more than all the rest, and a batch pays it once for dozens of calls. Compiled by
 * bcc, behind the other files here, with the defines of bpf/defines.py: a filter that was not asked for costs nothing.
 *   ONLY_TGID                  one process
 *   BY_TGID, BY_TID            the processes in the map tgids, the threads in the map tids
 *   BY_NAME                    threads and processes of a name
 *   BY_UID                     calls made with a real uid
 *   BY_CGROUP                  calls made by threads in the cgroup in the map cgroups, or below it
 *   PREPARE_EXEC               the kernel tells of an exec before the old memory is gone
 *   FOLLOW                     children of recorded processes too
 *   TASK_TGID=n ...            offsets in the kernel's structs, from BTF: FOLLOW needs them, and what is told of processes
 *   TELL_BIRTHS                processes can be born that have calls to record
 *   FAILED_ONLY                calls that fail
 *   DATA_BYTES=n               the first bytes of what is read, written, sent and received
 *   VECTORS_MAX=n              ... from as many buffers of one call
 *   ENVIRONMENT                the environments of executed programs
 *   STACKS                     user stacks by frame pointers, of the calls whose plan asks for one
 *   FULL_STACKS MAX_PATHS=n    user stacks by unwind tables; room for known stacks
 *   TASK_MM=n TASK_FSBASE=n MM_START_STACK=n
 *                              offsets in task_struct and mm_struct, for where a stack ends
 *   STACKS_OF_FAILED           of calls that fail too
 *   MAX_THREADS=n              room for threads, a power of two
 *   MAX_LOST_RUNS=n            room for the accounts of lost calls
 */
#include "halves.h"
#include "pt_regs.h"
#include "wire.h"

static __always_inline void read_arguments(struct call_slot *slot, const struct call_regs *regs)
{
	if (slot->call.flags & WIRE_COMPAT) {
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

/* Puts a call of the current thread into its slot; its time is still to be set, and what it points at to be read. */
static __always_inline void begin_call(struct call_slot *slot, u64 id, u64 nr, u32 index, u8 flags,
				       const struct call_plan *plan, const struct call_regs *regs)
{
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
	slot->call.pid = id >> 32;
	slot->call.tid = id; /* not always whose the slot is: a thread that executes a program changes its id */
	slot->call.nr = number_of(nr);
	read_arguments(slot, regs);
}

/* raw tracepoint sys_enter: struct pt_regs *regs, long id */
IN_HALF_OF_CALLS int on_sys_enter(struct bpf_raw_tracepoint_args *ctx)
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
	if (tgid != (u32)constant(CONSTANT_TGID))
		return 0;
#endif
	if (!passes(tgid, tid))
		return 0;
	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)(ctx->args[0] + CALL_REGS_OFFSET));
	index = plan_index(nr, &regs, &flags);
	plan = plans.lookup(&index);
	slot = slot_of(tid);
	if (!plan || (slot && slot->own))
		return 0;
	if (!(slot && slot->call.pid == tgid) && !targeted(tgid, tid, plan))
		return 0;
	if (slot && plan->flags & PLAN_SETS_UID)
		slot->uid_reads = 2;
	if (!(plan->flags & PLAN_RECORD)) {
		if (slot)
			slot->state = STATE_SKIPPED;
		return 0;
	}
	if (!slot)
		slot = new_slot(tgid, tid);
	if (!slot)
		return 0;
	if (slot->state & STATE_IN_CALL)
		count(LOST_EXITS);
	begin_call(slot, id, nr, index, flags, plan, &regs);
	slot->call.ts = bpf_ktime_get_ns();
	if (plan->capture[0].kind != CAPTURE_NONE)
		capture_at_entry(slot, plan);
#ifdef FULL_STACKS
	if ((plan->flags & STACK_AT_ENTRY) == STACK_AT_ENTRY)
		tails.call(ctx, TAIL_STACK);
#endif
	return 0;
}

/*
 * The slot of the current thread, with the call that ends now and whose entry was not seen; 0: it is not to be recorded.
 * It was under way when recording began, or was refused before the kernel told of it: by a seccomp filter, by a tracer.
 */
static __always_inline struct call_slot *unentered_call(struct bpf_raw_tracepoint_args *ctx, struct call_slot *slot,
							u64 id)
{
	u32 tgid = id >> 32;
	u32 tid = id;
	int zero = 0;
	u64 *start = began.lookup(&zero);
	struct call_regs regs = {};
	struct call_plan *plan;
	u32 index;
	u8 flags;

	if (!start || !*start || !passes(tgid, tid) || (slot && slot->own))
		return 0;
	if (!(slot && slot->call.pid == tgid) && !already_targeted(tgid, tid))
		return 0;
	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)(ctx->args[0] + CALL_REGS_OFFSET));
	index = plan_index(regs.orig_ax, &regs, &flags);
	plan = plans.lookup(&index);
	if (!plan || !(plan->flags & PLAN_RECORD))
		return 0;
	/* A child returns from the call that made it, and a process that the kernel starts from none. */
	if (!ctx->args[1] && (plan->flags & PLAN_FORKS || !(regs.orig_ax | regs.cx | regs.di | regs.si)))
		return 0;
	flags |= WIRE_NO_ENTRY;
	if (!slot) {
		if (was_roomless(tid))
			return 0;
		slot = free_slot_for(tgid, tid);
		flags |= WIRE_EARLIER;
	}
	if (!slot) {
		count(LOST_THREADS);
		return 0;
	}
	begin_call(slot, id, regs.orig_ax, index, flags, plan, &regs);
	slot->call.ts = flags & WIRE_EARLIER ? *start : bpf_ktime_get_ns();
	if (plan->capture[0].kind != CAPTURE_NONE)
		capture_later(slot, plan);
	return slot;
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

/* Whether a call that has returned is to have its stack, and still has it. */
static __always_inline int takes_stack(const struct call_slot *slot)
{
	int wanted = STATE_FLAGS(slot->state) & PLAN_STACK;

#ifdef STACKS_OF_FAILED
	wanted |= has_failed(slot);
#endif
	return wanted && keeps_memory(slot);
}

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

/* The last that is done for a call. */
static __always_inline void end_call(struct wire_batch *batch, struct call_slot *slot)
{
	slot->state = STATE_IDLE;
	add_call(batch, slot);
	close_batch(batch);
}

/* raw tracepoint sys_exit: struct pt_regs *regs, long ret */
IN_HALF_OF_CALLS int on_sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	s64 ret = ctx->args[1];
	struct wire_batch *batch = 0;
	struct call_slot *slot;

#ifdef ONLY_TGID
	if (id >> 32 != constant(CONSTANT_TGID))
		return 0;
#endif
	slot = slot_of(id);
	if (slot && slot->state == STATE_SKIPPED) {
		slot->state = STATE_IDLE;
		return 0;
	}
	if (!slot || slot->state == STATE_IDLE) {
		slot = unentered_call(ctx, slot, id);
		if (!slot)
			return 0;
	}
	slot->call.duration = bpf_ktime_get_ns() - slot->call.ts;
	slot->call.ret = ret;
#ifdef FAILED_ONLY
	if (has_failed(slot))
#endif
		batch = open_batch(ctx, slot);
	if (!batch) {
		if (slot->aside)
			finish_asides(batch, slot);
#ifdef FULL_STACKS
		finish_entry_path(batch, slot);
#endif
		slot->state = STATE_IDLE;
		return 0;
	}
	if (slot->aside || unread(slot) || STATE_FLAGS(slot->state) & PLAN_AT_EXIT)
		finish_captures(batch, slot);
	if (slot->more.size)
		add_struct(batch, slot);
#ifdef STACKS
	if (takes_stack(slot))
		add_stack(ctx, batch);
#endif
#ifdef FULL_STACKS
	if (!finish_entry_path(batch, slot) && takes_stack(slot)) {
		slot->state |= STATE_ENDING;
		tails.call(ctx, TAIL_STACK);
	}
#endif
	end_call(batch, slot);
	return 0;
}

#ifdef FULL_STACKS
/* Ends a call whose stack is `found`; at entry, that is kept for a call that does not return to where it was made. */
static __always_inline int end_with_path(const struct path_name *found)
{
	u32 tid = bpf_get_current_pid_tgid();
	int zero = 0;
	struct call_slot *slot = slot_of(tid);
	struct wire_batch *batch = batches.lookup(&zero);

	if (!slot || !batch)
		return 0;
	if (slot->state & STATE_ENDING) {
		add_path(batch, found);
		end_call(batch, slot);
	} else {
		entry_paths.update(&tid, found);
	}
	return 0;
}

/* Where the programs for entry and exit end with a call that is to have its stack. */
IN_HALF_OF_REST int on_stack(struct bpf_raw_tracepoint_args *ctx)
{
	struct path_name found = {.flags = PATH_LOST};
	int zero = 0;
	struct snapshot_room *room = snapshot_scratch.lookup(&zero);

	if (room) {
		u64 flags = begin_search(room, (const void *)ctx->args[0]);

		if (flags)
			found.flags = flags;
		else
			tails.call(ctx, TAIL_CANDIDATE);
	}
	return end_with_path(&found);
}

/* Compares the call with the known path that it may have been made by. */
IN_HALF_OF_REST int on_candidate(struct bpf_raw_tracepoint_args *ctx)
{
	struct path_name found = {.flags = PATH_LOST};
	int zero = 0;
	struct snapshot_room *room = snapshot_scratch.lookup(&zero);
	enum candidate_result result = room ? try_candidate(room) : CANDIDATE_NONE;

	if (room && result == CANDIDATE_FOUND) {
		found.snapshot = room->candidate;
		found.shift = mixed_shifts(room);
		found.flags = PATH_KNOWN;
		return end_with_path(&found);
	}
	if (result == CANDIDATE_MORE)
		tails.call(ctx, TAIL_CANDIDATE);
	tails.call(ctx, TAIL_SNAPSHOT);
	/* The kernel lets programs end in others so often and not more. */
	found.flags = PATH_CAPPED;
	count(CAPPED_STACKS);
	return end_with_path(&found);
}

/* Sends a snapshot of a call whose path is not known. */
IN_HALF_OF_REST int on_snapshot(struct bpf_raw_tracepoint_args *ctx)
{
	struct path_name found = {};
	int zero = 0;
	struct snapshot_room *room = snapshot_scratch.lookup(&zero);

	if (room)
		make_snapshot(ctx, room, &found);
	else
		found.flags = PATH_LOST;
	return end_with_path(&found);
}
#endif

/* raw tracepoint sched_process_exit: struct task_struct *task (the current one) */
IN_HALF_OF_REST int on_process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32;
	u32 tid = id;
	struct call_slot *slot = slot_of(tid);

#ifdef TASK_TGID
	if (is_last_thread(ctx->args[0])) {
		if (may_be_recorded(tgid))
			tell_end(ctx, ctx->args[0], tgid);
		forget_process(tgid);
#ifdef BY_NAME
		named_tgids.delete(&tgid);
#endif
	}
#endif
#ifdef BY_TID
	tids.delete(&tid);
#endif
#if defined(BY_NAME) && !defined(TASK_TGID)
	/* It may not be the last of its threads, but which is the last is not known. */
	if (tgid == tid)
		named_tgids.delete(&tgid);
#endif
	was_roomless(tid);
	if (!slot)
		return 0;
	if (slot->state & STATE_IN_CALL) {
		struct wire_batch *batch = 0;

#ifndef FAILED_ONLY
		batch = open_batch(ctx, slot);
#endif
#ifdef FULL_STACKS
		finish_entry_path(batch, slot);
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

/* The slot of a thread that executes a program: it takes over the id of its process, and its call goes on under that. */
static __always_inline struct call_slot *moved_slot(u64 id, u32 old_tid)
{
	u32 tid = id;
	struct call_slot *from = slot_of(old_tid);
	struct call_slot *to;

#ifdef BY_TID
	if (old_tid != tid && tids.lookup(&old_tid)) {
		u32 recorded = TARGET_RECORDED;

		tids.delete(&old_tid);
		if (tids.update(&tid, &recorded))
			count(LOST_THREADS);
	}
#endif
	if (!from && was_roomless(old_tid))
		mark_roomless(tid);
	if (old_tid == tid || !from)
		return from;
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
	return to;
}

#ifdef PREPARE_EXEC
/*
 * raw tracepoint sched_prepare_exec, since Linux 6.10: struct task_struct *task (the current one), struct linux_binprm
 * *bprm. The exec cannot fail any more, and the memory is still that of the old program.
 */
IN_HALF_OF_REST int on_prepare_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct call_slot *slot = slot_of(bpf_get_current_pid_tgid());
	struct call_plan *plan = slot ? plans.lookup(&slot->plan) : 0;

	if (plan && slot->state & STATE_IN_CALL && plan->flags & PLAN_EXEC)
		capture_exec_again(slot, plan);
	return 0;
}
#endif

/* raw tracepoint sched_process_exec: struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm */
IN_HALF_OF_REST int on_process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct call_slot *slot = moved_slot(bpf_get_current_pid_tgid(), ctx->args[1]);

#if defined(BPRM_FILENAME) && !defined(PREPARE_EXEC)
	if (slot && slot->state & STATE_IN_CALL && slot->call.nargs == EXECVE_ARGS)
		capture_executed(slot, (void *)ctx->args[2]);
#endif
	return 0;
}

#ifdef TELL_BIRTHS
/* raw tracepoint sched_process_fork: struct task_struct *parent (the current one), struct task_struct *child */
IN_HALF_OF_REST int on_process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 child = kernel_u32(ctx->args[1] + TASK_TGID);

	if (!child || child == tgid)
		return 0;
	if (tgid == (u32)constant(CONSTANT_SELF) || is_own(bpf_get_current_pid_tgid())) {
		struct call_slot *slot = new_slot(child, child);

		if (slot)
			slot->own = 1;
		return 0;
	}
#ifdef FOLLOW
	{
		u32 recorded = TARGET_RECORDED;
		u32 *target = tgids.lookup(&tgid);

		if (!target || *target != TARGET_RECORDED)
			return 0;
		if (tgids.update(&child, &recorded))
			count(LOST_THREADS);
	}
#endif
	tell_birth(ctx, ctx->args[1], child);
	return 0;
}
#endif
