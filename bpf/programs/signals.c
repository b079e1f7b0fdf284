// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Signals that recorded threads are given. One that ends the process at once is delivered as a SIGKILL of which the kernel
 * tells nothing more: which signal it was, and who sent it, is remembered from when it was sent. Needs offsets from BTF for
 * that: bpf/task_offsets.py.
 */
#include "halves.h"
#include "wire.h"

#define SIGNAL_SENT 0	 /* TRACE_SIGNAL_DELIVERED of include/trace/events/signal.h */
#define CODE_KERNEL 0x80 /* SI_KERNEL */
#define SENT_SIGNALS 4096

struct sent_signal {
	u32 tgid;
	u32 signal;
};

/* The beginning of a siginfo that says who sent the signal. */
struct sender_info {
	s32 signal;
	s32 error;
	s32 code;
	s32 reserved;
	u32 pid;
	u32 uid;
	u64 rest[3];
};

BPF_TABLE("lru_hash", struct sent_signal, struct sender_info, sent_signals, SENT_SIGNALS);

static __always_inline void fill_signal(struct wire_signal *record, u64 id, u32 signal)
{
	record->captured = 0;
	record->kind = WIRE_SIGNAL;
	record->flags = 0;
	record->reserved = 0;
	record->ts = bpf_ktime_get_ns();
	record->pid = id >> 32;
	record->tid = id;
	record->uid = bpf_get_current_uid_gid();
	record->signal = signal;
	record->handler = 0;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
}

#ifdef TASK_TGID
/*
 * raw tracepoint signal_generate: int signal, struct kernel_siginfo *info, struct task_struct *task, int group, int result.
 * `info` is SEND_SIG_NOINFO (0) where the current process sends it, and SEND_SIG_PRIV (1) where the kernel does.
 */
IN_HALF_OF_REST int on_signal_sent(struct bpf_raw_tracepoint_args *ctx)
{
	struct sent_signal key = {.tgid = kernel_u32(ctx->args[2] + TASK_TGID), .signal = ctx->args[0]};
	struct sender_info sender = {};

	if (ctx->args[4] != SIGNAL_SENT || !may_be_recorded(key.tgid))
		return 0;
	if (ctx->args[1] > 1) {
		bpf_probe_read_kernel(&sender, sizeof(sender), (const void *)ctx->args[1]);
	} else {
		sender.signal = key.signal;
		if (ctx->args[1]) {
			sender.code = CODE_KERNEL;
		} else {
			sender.pid = bpf_get_current_pid_tgid() >> 32;
			sender.uid = bpf_get_current_uid_gid();
		}
	}
	sent_signals.update(&key, &sender);
	return 0;
}

/* The signal by which the process of the current thread, which ends, was killed; 0: by none. */
static __always_inline u32 killing_signal(void)
{
	u64 signal = kernel_u64(bpf_get_current_task() + TASK_SIGNAL);

	return kernel_u32(signal + SIGNAL_FLAGS) & SIGNAL_GROUP_EXIT
		   ? kernel_u32(signal + SIGNAL_GROUP_EXIT_CODE) & 0x7f
		   : 0;
}

/* Tells of a signal that has ended the process: its first thread that gets to know of it does. */
static __always_inline void tell_killed(void *ctx, u64 id)
{
	struct sent_signal key = {.tgid = id >> 32, .signal = killing_signal()};
	struct sender_info *sender = sent_signals.lookup(&key);
	struct wire_batch *batch;
	struct wire_signal *record;

	if (!sender)
		return;
	batch = batch_beside_calls(ctx, LOST_SIGNALS);
	if (!batch)
		return;
	record = next_record(batch);
	fill_signal(record, id, key.signal);
	__builtin_memset(record->info, 0, WIRE_SIGNAL_INFO);
	bpf_probe_read_kernel(record->info, sizeof(*sender), sender);
	add_record(batch, &record->size, sizeof(*record));
	sent_signals.delete(&key);
}
#endif

/*
 * raw tracepoint signal_deliver: int signal, struct kernel_siginfo *info, struct k_sigaction *action. The current thread
 * gets the signal. `info` is SEND_SIG_NOINFO, 0, for threads that end because the process does.
 */
IN_HALF_OF_REST int on_signal(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct wire_batch *batch;
	struct wire_signal *record;

	if (!is_recorded(id >> 32, id))
		return 0;
#ifdef TASK_TGID
	if (ctx->args[1] <= 1) {
		tell_killed(ctx, id);
		return 0;
	}
	{
		struct sent_signal key = {.tgid = id >> 32, .signal = ctx->args[0]};

		sent_signals.delete(&key);
	}
#endif
	batch = batch_beside_calls(ctx, LOST_SIGNALS);
	if (!batch)
		return 0;
	record = next_record(batch);
	fill_signal(record, id, ctx->args[0]);
	/* struct k_sigaction begins with the handler. */
	bpf_probe_read_kernel(&record->handler, sizeof(record->handler), (const void *)ctx->args[2]);
	/* Where it cannot be read, the kernel makes the target zeros. */
	if (bpf_probe_read_kernel(record->info, WIRE_SIGNAL_INFO, (const void *)ctx->args[1]))
		record->flags = SIGNAL_NO_INFO;
	add_record(batch, &record->size, sizeof(*record));
	return 0;
}
