// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Descriptors that io_uring closes, which no call tells of. Needs offsets from BTF: bpf/task_offsets.py. */
#include "wire.h"

#ifdef REQUEST_OPCODE
#define REQUEST_CLOSE 19 /* IORING_OP_CLOSE of include/uapi/linux/io_uring.h */

/*
 * raw tracepoint io_uring_submit_req, since Linux 6.3: struct io_kiocb *request. The current thread is one of the process
 * whose request it is, be it the ring's own. That a request opens a descriptor need not be known: it never takes the
 * number of one that is open.
 */
int on_uring_request(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u64 request = ctx->args[0];
	struct wire_process told = {.kind = WIRE_PROCESS, .what = PROCESS_URING_CLOSE, .pid = id >> 32, .tid = id};
	u8 opcode = 0;

	bpf_probe_read_kernel(&opcode, sizeof(opcode), (void *)(request + REQUEST_OPCODE));
	if (opcode != REQUEST_CLOSE || !in_scope(told.pid) || !may_be_recorded(told.pid))
		return 0;
	/* A slot of the ring's own files is no descriptor. */
	if (kernel_u32(request + REQUEST_CLOSE_SLOT))
		return 0;
	told.status = kernel_u32(request + REQUEST_CLOSE_FD);
	told.ts = bpf_ktime_get_ns();
	tell(ctx, &told);
	return 0;
}
#endif
