// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What is asked of io_uring, which no call tells of. Needs offsets from BTF: bpf/task_offsets.py.
 *   REQUEST_OPCODE=n ...       descriptors that io_uring closes
 *   REQUEST_RING=n RING_...    requests: what was asked, by whom, and what came of it
 *   COMPLETE_TAKES_CQE         io_uring_complete is given the entry of the completion queue, not its members
 *   MAX_REQUESTS=n             room for requests that are not completed
 * A request is noted where it is submitted; one record is sent for each of its completions.
 */
#include "halves.h"
#include "wire.h"

#ifdef REQUEST_OPCODE
/* enum io_uring_op of include/uapi/linux/io_uring.h */
#define REQUEST_POLL_ADD 6
#define REQUEST_TIMEOUT 11
#define REQUEST_ACCEPT 13
#define REQUEST_OPENAT 18
#define REQUEST_CLOSE 19
#define REQUEST_STATX 21
#define REQUEST_OPENAT2 28
#define REQUEST_RENAMEAT 35
#define REQUEST_UNLINKAT 36
#define REQUEST_MKDIRAT 37
#define REQUEST_SYMLINKAT 38
#define REQUEST_LINKAT 39

/*
 * Tells of a descriptor that `request` is to close. The current thread is one of the process whose request it is, be it
 * the ring's own.
 */
static __always_inline void tell_of_close(void *ctx, u64 request, u8 opcode)
{
	u64 id = bpf_get_current_pid_tgid();
	struct wire_process told = {.kind = WIRE_PROCESS, .what = PROCESS_URING_CLOSE, .pid = id >> 32, .tid = id};

	if (opcode != REQUEST_CLOSE || !in_scope(told.pid) || !may_be_recorded(told.pid))
		return;
	/* A slot of the ring's own files is no descriptor. */
	if (kernel_u32(request + REQUEST_CLOSE_SLOT))
		return;
	told.status = kernel_u32(request + REQUEST_CLOSE_FD);
	told.ts = bpf_ktime_get_ns();
	tell(ctx, &told);
}

#ifdef REQUEST_RING
#define RING_IS_POLLED 2	    /* IORING_SETUP_SQPOLL */
#define RING_HAS_LARGE_ENTRIES 1024 /* IORING_SETUP_SQE128 */
#define RING_HAS_NO_ARRAY 65536	    /* IORING_SETUP_NO_SQARRAY */
#define MORE_COMPLETIONS 2	    /* IORING_CQE_F_MORE */
#define REQUEST_PATH 256

/* struct io_uring_sqe of include/uapi/linux/io_uring.h, up to the members that are of no interest here. */
struct submitted {
	u8 opcode;
	u8 flags;
	u16 ioprio;
	s32 fd;
	u64 off;
	u64 addr;
	u32 len;
	u32 op_flags;
	u64 user_data;
	u16 buf_index;
	u16 personality;
	s32 file_index;
};

struct completed {
	u64 user_data;
	s32 res;
	u32 flags;
};

struct request_paths {
	u8 first[REQUEST_PATH];
	u8 second[REQUEST_PATH];
};

/* By what a completion is known that does not say whose it is: one of several of a request. */
struct several_key {
	u64 ring;
	u64 user_data;
};

BPF_F_TABLE("hash", u64, struct wire_uring, requests, MAX_REQUESTS, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", u64, struct request_paths, request_paths, MAX_REQUESTS, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", struct several_key, u64, several, MAX_REQUESTS, BPF_F_NO_PREALLOC);
BPF_PERCPU_ARRAY(request_scratch, struct request_paths, 1);

/* Reads the entry of the submission queue that was taken last, as the kernel's io_get_sqe() found it. */
static __always_inline int read_submitted(u64 ring, u32 ring_flags, struct submitted *entry)
{
	u32 index = (kernel_u32(ring + RING_HEAD) - 1) & (kernel_u32(ring + RING_ENTRIES) - 1);

	if (!(ring_flags & RING_HAS_NO_ARRAY))
		index = kernel_u32(kernel_u64(ring + RING_ARRAY) + 4 * (u64)index);
	if (ring_flags & RING_HAS_LARGE_ENTRIES)
		index <<= 1;
	return bpf_probe_read_kernel(entry, sizeof(*entry), (void *)(kernel_u64(ring + RING_SQES) + 64 * (u64)index));
}

/* Whether a request may have more than one completion without naming itself in all of them. */
static __always_inline int completes_often(const struct wire_uring *head)
{
	switch (head->opcode) {
	case REQUEST_POLL_ADD:
		return head->len & 1; /* IORING_POLL_ADD_MULTI */
	case REQUEST_TIMEOUT:
		return head->op_flags & 64; /* IORING_TIMEOUT_MULTISHOT */
	case REQUEST_ACCEPT:
		return head->ioprio & 1; /* IORING_ACCEPT_MULTISHOT */
	case 10:			 /* RECVMSG */
	case 27:			 /* RECV */
		return head->ioprio & 2; /* IORING_RECV_MULTISHOT */
	case 49:			 /* READ_MULTISHOT */
	case 58:			 /* RECV_ZC */
		return 1;
	default:
		return 0;
	}
}

static __always_inline int takes_path(u8 opcode)
{
	return opcode == REQUEST_OPENAT || opcode == REQUEST_OPENAT2 || opcode == REQUEST_STATX ||
	       (opcode >= REQUEST_RENAMEAT && opcode <= REQUEST_LINKAT);
}

static __always_inline int takes_two_paths(u8 opcode)
{
	return opcode == REQUEST_RENAMEAT || opcode == REQUEST_SYMLINKAT || opcode == REQUEST_LINKAT;
}

/* The length of the string at a user's address, copied to `to`; -errno: it was not. The kernel has just read it too. */
static __always_inline s32 read_path(u8 *to, u64 address)
{
	s32 length = read_user_string(to, REQUEST_PATH, (const void *)address);

	return length > 0 ? length - 1 : length;
}

static __always_inline void read_paths(u64 request, struct wire_uring *head, const struct submitted *entry)
{
	int zero = 0;
	struct request_paths *paths = request_scratch.lookup(&zero);

	if (!paths || !takes_path(entry->opcode) || !entry->addr)
		return;
	head->path = read_path(paths->first, entry->addr);
	if (takes_two_paths(entry->opcode))
		head->path2 = read_path(paths->second, entry->off);
	request_paths.update(&request, paths);
}

/* Sends what is known of a request: `head`, and its paths behind it. */
static __always_inline void send_request(void *ctx, u64 request, struct wire_uring *head)
{
	struct wire_batch *batch = batch_beside_calls(ctx, LOST_REQUESTS);
	struct request_paths *paths = 0;
	struct wire_uring *record;
	u64 first = 0, second = 0;

	if (!batch)
		return;
	batch->state |= BATCH_BUSY;
	record = next_record(batch);
	if (head->path > 0 || head->path2 > 0)
		paths = request_paths.lookup(&request);
	if (paths) {
		first = sendable(head->path, REQUEST_PATH);
		second = sendable(head->path2, REQUEST_PATH);
		if (first)
			bpf_probe_read_kernel((void *)record + sizeof(*record), first, paths->first);
		if (second)
			bpf_probe_read_kernel((void *)record + sizeof(*record) + first, second, paths->second);
	}
	head->captured = first + second;
	bpf_probe_read_kernel(record, sizeof(*record), head);
	add_record(batch, &record->size, sizeof(*record) + first + second);
	close_batch(batch);
}

/* What is known of a request before anything of it is read. */
static __always_inline void begin_request(struct wire_uring *head, u8 opcode, u64 user_data)
{
	u64 id = bpf_get_current_pid_tgid();
	struct call_slot *slot = slot_of(id);

	head->kind = WIRE_URING;
	head->opcode = opcode;
	head->user_data = user_data;
	head->ts = bpf_ktime_get_ns();
	head->pid = id >> 32;
	head->tid = id;
	head->uid = bpf_get_current_uid_gid();
	head->path = PATH_NONE;
	head->path2 = PATH_NONE;
	if (slot && slot->state & STATE_IN_CALL)
		head->call = slot->call.ts;
	bpf_get_current_comm(head->comm, sizeof(head->comm));
}

static __always_inline void fill_request(struct wire_uring *head, const struct submitted *entry)
{
	head->entry_flags = entry->flags;
	head->fd = entry->fd;
	head->off = entry->off;
	head->addr = entry->addr;
	head->len = entry->len;
	head->op_flags = entry->op_flags;
	head->ioprio = entry->ioprio;
	head->file_index = entry->file_index;
}

/* Ends what is known of a request whose memory the kernel uses for another one: nobody was told what came of it. */
static __always_inline void end_replaced(void *ctx, u64 request)
{
	struct wire_uring *before = requests.lookup(&request);

	if (!before)
		return;
	before->flags |= URING_UNTOLD;
	send_request(ctx, request, before);
	requests.delete(&request);
	request_paths.delete(&request);
}

static __always_inline void note_request(void *ctx, u64 request, u8 opcode)
{
	u64 id = bpf_get_current_pid_tgid();
	u64 ring = kernel_u64(request + REQUEST_RING);
	u32 ring_flags = kernel_u32(ring + RING_FLAGS);
	struct wire_uring head = {};
	struct submitted entry = {};
	struct several_key key = {.ring = ring};

	end_replaced(ctx, request);
	if (!is_recorded(id >> 32, id))
		return;
	begin_request(&head, opcode, kernel_u64(request + REQUEST_USER_DATA));
	if (ring_flags & RING_IS_POLLED)
		head.flags |= URING_POLLED;
	/* The program may have written something else there since. */
	if (read_submitted(ring, ring_flags, &entry) || entry.opcode != opcode || entry.user_data != head.user_data) {
		head.flags |= URING_UNREAD;
	} else {
		fill_request(&head, &entry);
		read_paths(request, &head, &entry);
		if (completes_often(&head)) {
			key.user_data = head.user_data;
			several.update(&key, &request);
		}
	}
	if (requests.update(&request, &head))
		count(LOST_REQUESTS);
}

/* The request of this completion that was noted; 0: none was. */
static __always_inline struct wire_uring *completed_request(u64 ring, u64 *request, u64 user_data)
{
	struct several_key key = {.ring = ring, .user_data = user_data};
	u64 *known;

	if (!*request) {
		known = several.lookup(&key);
		if (!known)
			return 0;
		*request = *known;
	}
	return requests.lookup(request);
}

/* Sends a completion of a request that was not noted: it was submitted before the recording, or there was no room. */
static __always_inline void send_unnoted(void *ctx, u64 request, const struct completed *entry)
{
	u64 id = bpf_get_current_pid_tgid();
	struct wire_uring head = {};
	u8 opcode = 0;

	if (!is_recorded(id >> 32, id))
		return;
	if (request)
		bpf_probe_read_kernel(&opcode, sizeof(opcode), (void *)(request + REQUEST_OPCODE));
	begin_request(&head, opcode, entry->user_data);
	head.flags = URING_UNREAD | (request ? URING_EARLIER : URING_NO_REQUEST);
	head.end = head.ts;
	head.ret = entry->res;
	head.cqe_flags = entry->flags;
	send_request(ctx, request, &head);
}

/*
 * raw tracepoint io_uring_complete: struct io_ring_ctx *ring, void *request, and struct io_uring_cqe *entry, or else
 * u64 user_data, int res, unsigned cflags, u64 extra1, u64 extra2. `request` is 0 for all but the last of several.
 */
IN_HALF_OF_REST int on_uring_completion(struct bpf_raw_tracepoint_args *ctx)
{
	u64 request = ctx->args[1];
	struct completed entry = {};
	struct wire_uring *head;

#ifdef COMPLETE_TAKES_CQE
	bpf_probe_read_kernel(&entry, sizeof(entry), (void *)ctx->args[2]);
#else
	entry.user_data = ctx->args[2];
	entry.res = ctx->args[3];
	entry.flags = ctx->args[4];
#endif
	head = completed_request(ctx->args[0], &request, entry.user_data);
#ifdef FAILED_ONLY
	if (entry.res < 0)
#endif
	{
		if (!head) {
			send_unnoted(ctx, request, &entry);
			return 0;
		}
		head->end = bpf_ktime_get_ns();
		head->ret = entry.res;
		head->cqe_flags = entry.flags;
		send_request(ctx, request, head);
	}
	if (head && !(entry.flags & MORE_COMPLETIONS)) {
		struct several_key key = {.ring = ctx->args[0], .user_data = entry.user_data};

		if (completes_often(head))
			several.delete(&key);
		if (head->path != PATH_NONE)
			request_paths.delete(&request);
		requests.delete(&request);
	}
	return 0;
}

/* raw tracepoint io_uring_queue_async_work: struct io_kiocb *request. A thread of the kernel is to do it. */
IN_HALF_OF_REST int on_uring_handover(struct bpf_raw_tracepoint_args *ctx)
{
	u64 request = ctx->args[0];
	struct wire_uring *head = requests.lookup(&request);

	if (head)
		head->flags |= URING_HANDED_OVER;
	return 0;
}

/* raw tracepoint io_uring_req_failed: const struct io_uring_sqe *entry, struct io_kiocb *request. It is not submitted. */
IN_HALF_OF_REST int on_uring_refusal(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u64 request = ctx->args[1];
	struct wire_uring head = {};
	struct submitted entry = {};

	end_replaced(ctx, request);
	if (!is_recorded(id >> 32, id) || bpf_probe_read_kernel(&entry, sizeof(entry), (void *)ctx->args[0]))
		return 0;
	begin_request(&head, entry.opcode, entry.user_data);
	fill_request(&head, &entry);
	head.flags |= URING_REFUSED;
	if (requests.update(&request, &head))
		count(LOST_REQUESTS);
	return 0;
}
#endif

/* raw tracepoint io_uring_submit_req, since Linux 6.3, or io_uring_submit_sqe: struct io_kiocb *request */
IN_HALF_OF_REST int on_uring_request(struct bpf_raw_tracepoint_args *ctx)
{
	u64 request = ctx->args[0];
	u8 opcode = 0;

	bpf_probe_read_kernel(&opcode, sizeof(opcode), (void *)(request + REQUEST_OPCODE));
#ifdef REQUEST_RING
	note_request(ctx, request, opcode);
#endif
	tell_of_close(ctx, request, opcode);
	return 0;
}
#endif
