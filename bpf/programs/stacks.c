// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * User stacks by unwind tables: a call says by which path it was made. A path that is new is sent as a snapshot, the
 * registers and a copy of the stack, from which user space finds the callers. What that read of the copy it stores in
 * `paths`: while registers and those words are the same, so is the path, and the call needs no snapshot.
 */
#include "pt_regs.h"
#include "wire.h"

#if defined(FULL_STACKS) || defined(PROFILE_FULL)
#define PAGE_BYTES 4096
#define PATH_WORDS 256
#define PATH_STEPS 192
#define PATH_COPIED 16384
#define WORDS_AT_ONCE 4
#define SNAPSHOT_PARTS 32

/* What is copied of a stack whose end is not known, and how far one whose end is may reach. */
#define UNBOUNDED_BYTES 65536
#define STACK_MOST (16 << 20)

/* Bounds on snapshots: of calls with the same registers, and in bytes on each CPU, in the long run and at once. */
#define WINDOW_NS 100000000
#define SNAPSHOTS_AT_FIRST 1024
#define SNAPSHOTS_IN_WINDOW 16
#define BYTES_IN_MICROSECOND 80
#define BYTES_AT_ONCE (64 << 20)

/* A path of one process. Which one: its first snapshot. Word i is at offset[i] from the stack pointer, in bytes. */
struct known_path {
	u64 snapshot;
	u64 registers[WIRE_REGISTERS];
	u64 mask[WIRE_REGISTERS]; /* 0: it does not matter; else all bits */
	u32 words;
	u32 near; /* words within the span: they come first */
	u32 span; /* bytes from the stack pointer that are read at once; the words behind are one by one */
	u64 word[PATH_WORDS];
	u16 offset[PATH_WORDS];
};

struct path_key {
	u64 ip;
	u64 sp;
	u32 tgid;
	u32 variant; /* paths that agree in these */
};

/* How many snapshots were sent since `start`, or bytes of them. */
struct path_window {
	u64 start;
	u64 sent;
};

struct snapshot_room {
	struct wire_snapshot head;
	u8 data[WIRE_SNAPSHOT_BYTES + PAGE_BYTES];
	struct path_window bytes;
	struct path_key key;
	u64 candidate;
	u64 word;
	u32 at;
};

/* What a wire_path says. */
struct path_name {
	u64 snapshot;
	u64 flags;
};

BPF_F_TABLE("hash", struct path_key, struct known_path, paths, MAX_PATHS, BPF_F_NO_PREALLOC);
BPF_TABLE("lru_hash", struct path_key, struct path_window, windows, MAX_PATHS);
BPF_PERF_OUTPUT(snapshots);
BPF_PERCPU_ARRAY(snapshot_scratch, struct snapshot_room, 1);

/* on_stack(), in which other programs end. */
BPF_PROG_ARRAY(tails, 1);

/* Paths of calls from which nobody returns to where they were made, by the id their thread had at entry. */
BPF_F_TABLE("hash", u32, struct path_name, entry_paths, MAX_THREADS, BPF_F_NO_PREALLOC);

/* Without branches, which the verifier would have to follow. */
static __always_inline int same_registers(const struct known_path *path, const u64 *registers)
{
	u64 differ = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 2; i < WIRE_REGISTERS; i++)
		differ |= (path->registers[i] ^ registers[i]) & path->mask[i];
	return !differ;
}

/* Whether word `at` of `path` is on the stack. */
static __always_inline int same_word(struct snapshot_room *room, const struct known_path *path, u32 at)
{
	u32 offset = path->offset[at];

	room->word = *(u64 *)(room->data + (offset & (PATH_COPIED - 8)));
	if (offset >= path->span &&
	    read_user(&room->word, sizeof(room->word), (void *)(room->head.registers[1] + offset)))
		return 0;
	return room->word == path->word[at];
}

/* The same of words that follow each other, within the span; without branches. */
static __always_inline int same_words(const struct snapshot_room *room, const struct known_path *path, u32 at)
{
	u64 differ = 0;
	int i;

	at &= PATH_WORDS - WORDS_AT_ONCE;
#pragma clang loop unroll(full)
	for (i = 0; i < WORDS_AT_ONCE; i++) {
		const u64 *word = (const u64 *)(room->data + (path->offset[at + i] & (PATH_COPIED - 8)));

		differ |= *word ^ path->word[at + i];
	}
	return !differ;
}

/* Copies as much of the stack as `path` needs; 0: it cannot be read. */
static __always_inline int copy_span(struct snapshot_room *room, const struct known_path *path)
{
	u64 span = path->span;

	asm volatile("" : "+r"(span));
	span &= 2 * PATH_COPIED - 1;
	return span <= PATH_COPIED && !read_user(room->data, span, (void *)room->head.registers[1]);
}

/*
 * The snapshot of the path that the current call has in common with an earlier one; 0: of none. One loop goes through
 * the words of all candidates, and keeps in `room` where it is: the verifier then sees one step many times, not all
 * words of each candidate.
 */
static __always_inline u64 known_snapshot(struct snapshot_room *room)
{
	struct known_path *path;
	int step;
	u32 at;

	room->key.variant = 0;
	room->at = 0;
	path = paths.lookup(&room->key);
#pragma clang loop unroll(disable)
	for (step = 0; step < PATH_STEPS; step++) {
		if (!path)
			return 0;
		at = room->at;
		if (!at)
			room->candidate = path->snapshot;
		if (at || (same_registers(path, room->head.registers) && copy_span(room, path))) {
			/* What is deleted meanwhile may become another path under our eyes. */
			if (at >= path->words)
				return path->snapshot == room->candidate ? room->candidate : 0;
			at &= PATH_WORDS - 1;
			if (at + WORDS_AT_ONCE <= path->near) {
				if (same_words(room, path, at)) {
					room->at = at + WORDS_AT_ONCE;
					continue;
				}
			} else if (same_word(room, path, at)) {
				room->at = at + 1;
				continue;
			}
		}
		room->at = 0;
		room->key.variant += 1;
		path = paths.lookup(&room->key);
	}
	return 0;
}

/*
 * How many bytes from `sp` on can hold frames. Above those of a process's first thread are its arguments, above those of
 * another is what its libc keeps of it, where fs points. Coroutines have stacks elsewhere.
 */
static __always_inline u64 stack_size(u64 sp)
{
#ifdef MM_START_STACK
	u64 task = bpf_get_current_task(), memory = 0, end = 0;

	bpf_probe_read_kernel(&memory, sizeof(memory), (void *)(task + TASK_MM));
	bpf_probe_read_kernel(&end, sizeof(end), (void *)(memory + MM_START_STACK));
	if (end - sp > STACK_MOST)
		bpf_probe_read_kernel(&end, sizeof(end), (void *)(task + TASK_FSBASE));
	if (end - sp <= STACK_MOST)
		return end - sp;
#endif
	return UNBOUNDED_BYTES;
}

/*
 * Copies the stack from `sp` on, page by page, at most `most` bytes; how many. A page that cannot be read is the end of a
 * stack of which that is not known; of another it is one that nothing was put into, in a large array that is not used.
 */
static __always_inline u32 copy_stack(struct snapshot_room *room, u64 sp, u64 most, int bounded)
{
	u64 used = 0, bytes = PAGE_BYTES - (sp & (PAGE_BYTES - 1));
	u16 page = 1;

	room->head.missing = 0;
#pragma clang loop unroll(disable)
	while (used < WIRE_SNAPSHOT_BYTES) {
		asm volatile("" : "+r"(bytes));
		bytes &= 2 * PAGE_BYTES - 1;
		if (bytes > PAGE_BYTES)
			break;
		if (read_user(room->data + (used & (WIRE_SNAPSHOT_BYTES - 1)), bytes, (void *)(sp + used))) {
			if (!bounded)
				break;
			room->head.missing |= page;
		}
		page <<= 1;
		used += bytes;
		bytes = PAGE_BYTES;
		if (used >= most)
			return most;
	}
	return used < WIRE_SNAPSHOT_BYTES ? used : WIRE_SNAPSHOT_BYTES;
}

/* Sends what is in `room` and the stack in as many parts as it takes; 0: there is no room for the first. */
static __always_inline int send_snapshot(void *ctx, struct snapshot_room *room, u64 id, u64 now)
{
	u64 left = stack_size(room->head.registers[1]);
	int bounded = left != UNBOUNDED_BYTES;
	u32 bytes;
	int part;

	room->head.snapshot += 1;
	room->head.pid = id >> 32;
	room->head.tid = id;
	room->head.ts = now;
#pragma clang loop unroll(disable)
	for (part = 0; part < SNAPSHOT_PARTS; part++) {
		bytes = copy_stack(room, room->head.registers[1] + part * WIRE_SNAPSHOT_BYTES,
				   left < WIRE_SNAPSHOT_BYTES ? left : WIRE_SNAPSHOT_BYTES, bounded);
		if (part && !bytes)
			break;
		room->head.part = part;
		room->head.bytes = bytes;
		room->bytes.sent += sizeof(room->head) + bytes;
		if (snapshots.perf_submit(
			ctx, &room->head,
			sendable(sizeof(room->head) + bytes, sizeof(room->head) + WIRE_SNAPSHOT_BYTES)))
			return part;
		if (bytes < WIRE_SNAPSHOT_BYTES)
			break;
		left -= bytes;
	}
	return 1;
}

/*
 * Whether another snapshot may be sent of calls with these registers: many at first, until user space has learned the
 * paths, and then few; and of all on this CPU, so many bytes.
 */
static __always_inline int may_be_sent(struct snapshot_room *room, u64 now)
{
	struct path_window *window = windows.lookup(&room->key);
	u64 paid = (now - room->bytes.start) / 1000 * BYTES_IN_MICROSECOND;

	room->bytes.start = now;
	room->bytes.sent = room->bytes.sent > paid ? room->bytes.sent - paid : 0;
	if (room->bytes.sent >= BYTES_AT_ONCE)
		return 0;
	if (!window) {
		struct path_window fresh = {.start = now, .sent = 1};

		windows.update(&room->key, &fresh);
		return 1;
	}
	if (now - window->start > WINDOW_NS) {
		window->start = now;
		window->sent = SNAPSHOTS_AT_FIRST - SNAPSHOTS_IN_WINDOW;
	}
	if (window->sent >= SNAPSHOTS_AT_FIRST)
		return 0;
	window->sent += 1;
	return 1;
}

/* Finds the path by which the current call, with its registers at `regs`, was made. */
static __always_inline void find_path(void *ctx, const void *regs, struct path_name *found)
{
	u64 id = bpf_get_current_pid_tgid(), now;
	struct snapshot_room *room;
	int zero = 0;

	found->snapshot = 0;
	found->flags = PATH_LOST;
	room = snapshot_scratch.lookup(&zero);
	if (!room)
		return;
	if (read_registers(room->head.registers, regs) == USER32_CS) {
		found->flags = PATH_32_BIT;
		return;
	}
	room->key.ip = room->head.registers[0];
	room->key.sp = room->head.registers[1];
	room->key.tgid = id >> 32;
	found->snapshot = known_snapshot(room);
	if (found->snapshot) {
		found->flags = PATH_KNOWN;
		return;
	}
	room->key.variant = 0;
	now = bpf_ktime_get_ns();
	if (!may_be_sent(room, now)) {
		found->flags = PATH_CAPPED;
		count(CAPPED_STACKS);
	} else if (send_snapshot(ctx, room, id, now)) {
		found->snapshot = room->head.snapshot | (u64)bpf_get_smp_processor_id() << 48;
		found->flags = 0;
	} else {
		count(LOST_STACKS);
	}
}

static __always_inline void add_path(struct wire_batch *batch, const struct path_name *found)
{
	struct wire_path *path = next_record(batch);

	path->kind = WIRE_PATH;
	path->arg = 0;
	path->captured = sizeof(path->snapshot);
	path->flags = found->flags;
	path->snapshot = found->snapshot;
	add_record(batch, &path->size, sizeof(*path));
}

/* Adds the stack kept in entry_paths for the call that ends to `batch`, if one was; 0: nothing was kept. */
static __always_inline int finish_entry_path(struct wire_batch *batch, const struct call_slot *slot)
{
	u32 tid = slot->call.tid;
	struct path_name *found;

	if ((STATE_FLAGS(slot->state) & STACK_AT_ENTRY) != STACK_AT_ENTRY)
		return 0;
	found = entry_paths.lookup(&tid);
	if (!found)
		return 0;
	if (batch)
		add_path(batch, found);
	entry_paths.delete(&tid);
	return 1;
}
#endif
