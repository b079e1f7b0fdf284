// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * When recorded threads are off their CPUs, and why. Where a thread is switched away, that is noted; one record is sent when
 * it runs again. Needs offsets from BTF: bpf/task_offsets.py.
 *   SCHED                      this file
 *   SWITCH_TELLS_STATE         sched_switch tells the state that decided: since Linux 5.19
 *   KERNEL_STACKS              with the kernel stacks of threads that wait
 *   MAX_OFF_CPU=n              room for threads that are off their CPUs
 * sched_switch runs with interrupts off, and never amid another program here. A thread is woken amid anything, so that only
 * changes what was noted of it.
 */
#include "halves.h"
#include "wire.h"

#ifdef SCHED
#define TASK_STATE_DEAD 0x80 /* TASK_DEAD of include/linux/sched.h */

struct off_cpu_room {
	struct wire_off_cpu head;
#ifdef KERNEL_STACKS
	u8 stack[WIRE_KERNEL_STACK];
#endif
};

BPF_PERF_OUTPUT(switches);
BPF_HASH(off_cpu, u32, struct off_cpu_room, MAX_OFF_CPU);
BPF_PERCPU_ARRAY(off_cpu_scratch, struct off_cpu_room, 1);

static __always_inline void send_off_cpu(void *ctx, struct off_cpu_room *room)
{
	u64 bytes = 0;

#ifdef KERNEL_STACKS
	if (room->head.kernel > 0 && room->head.back - room->head.ts < constant(CONSTANT_STACK_NS))
		room->head.kernel = 0;
	bytes = sendable(room->head.kernel, WIRE_KERNEL_STACK);
#endif
	count(switches.perf_submit(ctx, &room->head, sizeof(room->head) + bytes) ? LOST_OFF_CPU : SENT_OFF_CPU);
}

/* The room of this CPU, with what is known of the current thread, which leaves or ends. */
static __always_inline struct off_cpu_room *leaving(u64 id, u32 state)
{
	int zero = 0;
	u64 task = bpf_get_current_task();
	struct off_cpu_room *room = off_cpu_scratch.lookup(&zero);
	struct call_slot *slot = slot_of(id);

	if (!room)
		return 0;
	room->head.ts = bpf_ktime_get_ns();
	room->head.back = 0;
	room->head.woken = 0;
	room->head.call = 0;
	room->head.nr = 0;
	room->head.call_flags = 0;
	if (slot && slot->state & STATE_IN_CALL) {
		room->head.call = slot->call.ts;
		room->head.nr = slot->call.nr;
		room->head.call_flags = slot->call.flags;
	}
	room->head.run = kernel_u64(task + TASK_RUN);
	room->head.user = kernel_u64(task + TASK_UTIME);
	room->head.system = kernel_u64(task + TASK_STIME);
	room->head.pid = id >> 32;
	room->head.tid = id;
	room->head.uid = bpf_get_current_uid_gid();
	room->head.state = state;
	room->head.waker_pid = 0;
	room->head.waker_tid = 0;
	room->head.cpu = bpf_get_smp_processor_id();
	room->head.back_cpu = 0;
	room->head.kernel = 0;
	bpf_get_current_comm(room->head.comm, sizeof(room->head.comm));
	return room;
}

/* Notes that the current thread leaves its CPU. */
static __always_inline void note_leaving(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id, state;
	struct off_cpu_room *room;

	if (!tid || !is_recorded(id >> 32, tid))
		return;
#ifdef SWITCH_TELLS_STATE
	state = ctx->args[3];
#else
	state = kernel_u32(ctx->args[1] + TASK_STATE);
#endif
	if (state & TASK_STATE_DEAD)
		return;
	if (ctx->args[0])
		state |= OFF_CPU_PREEMPTED;
	room = leaving(id, state);
	if (!room)
		return;
#ifdef KERNEL_STACKS
	if (room->head.call && state && !(state & OFF_CPU_PREEMPTED))
		room->head.kernel = bpf_get_stack(ctx, room->stack, WIRE_KERNEL_STACK, 0);
#endif
	if (off_cpu.update(&tid, room))
		count(LOST_OFF_CPU);
}

/* raw tracepoint sched_switch: bool preempt, struct task_struct *prev (the current one), struct task_struct *next, state */
IN_HALF_OF_REST int on_switch(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tid = kernel_u32(ctx->args[2] + TASK_PID);
	struct off_cpu_room *room;

	note_leaving(ctx);
	if (!tid)
		return 0;
	room = off_cpu.lookup(&tid);
	if (!room)
		return 0;
	room->head.back = bpf_ktime_get_ns();
	room->head.back_cpu = bpf_get_smp_processor_id();
	send_off_cpu(ctx, room);
	off_cpu.delete(&tid);
	return 0;
}

/* raw tracepoint sched_waking: struct task_struct *task. The current thread wakes it, or an interrupt of that does. */
IN_HALF_OF_REST int on_waking(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tid = kernel_u32(ctx->args[0] + TASK_PID);
	struct off_cpu_room *room = off_cpu.lookup(&tid);

	if (room && !room->head.woken && !(room->head.state & OFF_CPU_PREEMPTED)) {
		u64 id = bpf_get_current_pid_tgid();

		room->head.waker_pid = id >> 32;
		room->head.waker_tid = id;
		room->head.woken = bpf_ktime_get_ns();
	}
	return 0;
}

/* raw tracepoint sched_process_exit, beside on_process_exit(): how much the current thread ran until its end. */
IN_HALF_OF_REST int on_last_run(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct off_cpu_room *room;

	if (!is_recorded(id >> 32, id))
		return 0;
	room = leaving(id, OFF_CPU_ENDED);
	if (room)
		send_off_cpu(ctx, room);
	return 0;
}
#endif
