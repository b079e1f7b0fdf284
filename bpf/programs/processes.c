// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What is told of processes besides their calls: the ids that a new one has in its pid namespace, and how one ended.
 * Needs offsets from BTF: bpf/task_offsets.py.
 */
#include "wire.h"

#ifdef TASK_TGID
#define SIGNAL_GROUP_EXIT 4 /* include/linux/sched/signal.h */
#define UPID_BYTES 16	    /* struct upid: int nr, struct pid_namespace *ns */

static __always_inline u64 kernel_u64(u64 address)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline u32 kernel_u32(u64 address)
{
	u32 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline void tell(void *ctx, const struct wire_process *told)
{
	struct wire_batch *batch = batch_beside_calls(ctx, LOST_PROCESSES);
	struct wire_process *record;

	if (!batch)
		return;
	record = next_record(batch);
	*record = *told;
	add_record(batch, &record->size, sizeof(*record));
}

/* Tells of the new process `tgid`, whose only thread is `task`; the current one has made it. */
static __always_inline void tell_birth(void *ctx, u64 task, u32 tgid)
{
	struct wire_process told = {.kind = WIRE_PROCESS, .what = PROCESS_BORN, .pid = tgid};
	u64 pid = kernel_u64(task + TASK_THREAD_PID);
	u64 innermost = pid + PID_NUMBERS + (u64)kernel_u32(pid + PID_LEVEL) * UPID_BYTES;

	told.ts = bpf_ktime_get_ns();
	told.uid = bpf_get_current_uid_gid();
	told.ns_pid = kernel_u32(innermost + UPID_NR);
	told.pid_ns = kernel_u32(kernel_u64(innermost + UPID_NS) + PID_NAMESPACE_INUM);
	tell(ctx, &told);
}

/* Whether `task`, which exits, is the last of its process: do_exit() has counted it out of signal->live. */
static __always_inline int is_last_thread(u64 task)
{
	return kernel_u32(kernel_u64(task + TASK_SIGNAL) + SIGNAL_LIVE) == 0;
}

/* Tells how the process `tgid`, whose last thread is `task`, ended: what wait_task_zombie() will give its parent. */
static __always_inline void tell_end(void *ctx, u64 task, u32 tgid)
{
	struct wire_process told = {.kind = WIRE_PROCESS, .what = PROCESS_ENDED, .pid = tgid};
	u64 signal = kernel_u64(task + TASK_SIGNAL);

	told.ts = bpf_ktime_get_ns();
	if (kernel_u32(signal + SIGNAL_FLAGS) & SIGNAL_GROUP_EXIT)
		told.status = kernel_u32(signal + SIGNAL_GROUP_EXIT_CODE);
	else
		told.status = kernel_u32(kernel_u64(task + TASK_GROUP_LEADER) + TASK_EXIT_CODE);
	tell(ctx, &told);
}
#endif
