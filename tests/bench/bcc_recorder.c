/* Sends one record per system call of the processes in tgids, when the call ends, through bcc's perf buffer. */

/* x86-64's struct pt_regs, which shim headers do not have */
struct regs {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
};

struct call {
	u64 ts_ns, duration_ns;
	s64 ret;
	u64 args[6];
	u32 pid, tid, uid, nr;
	char comm[16];
};

BPF_HASH(tgids, u32, u32);
BPF_HASH(calls, u32, struct call);
BPF_PERF_OUTPUT(events);

int on_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32, tid = id;
	struct call call = {};
	struct regs regs;

	if (!tgids.lookup(&tgid))
		return 0;
	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)ctx->args[0]);
	call.ts_ns = bpf_ktime_get_ns();
	call.args[0] = regs.di;
	call.args[1] = regs.si;
	call.args[2] = regs.dx;
	call.args[3] = regs.r10;
	call.args[4] = regs.r8;
	call.args[5] = regs.r9;
	call.pid = tgid;
	call.tid = tid;
	call.uid = bpf_get_current_uid_gid();
	call.nr = ctx->args[1];
	bpf_get_current_comm(call.comm, sizeof(call.comm));
	calls.update(&tid, &call);
	return 0;
}

int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct call *call = calls.lookup(&tid);

	if (!call)
		return 0;
	call->duration_ns = bpf_ktime_get_ns() - call->ts_ns;
	call->ret = ctx->args[1];
	events.perf_submit(ctx, call, sizeof(*call));
	calls.delete(&tid);
	return 0;
}

int on_fork(void *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 child = *(u32 *)(ctx + CHILD_PID_OFFSET);
	u32 yes = 1;

	if (tgids.lookup(&tgid))
		tgids.update(&child, &yes);
	return 0;
}
