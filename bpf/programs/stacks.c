// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * User stacks by unwind tables: a call says by which path it was made. A path that is new is sent as a snapshot, the
 * registers and a copy of the stack, from which user space finds the callers. What that read of the copy it stores in
 * `paths`: while registers and those words are the same, so is the path, and the call needs no snapshot.
 *
 * Processes that execute the same files have the same paths at other addresses. A word that points to the stack is as far
 * from that in the snapshot as the stack pointers are from each other, and return addresses into one file are all as far
 * from those as the file is mapped from where it was. So words are in groups, of which each has its shift. User space
 * checks with what was mapped that the files of the call are those of the snapshot, at these shifts.
 */
#include "pt_regs.h"
#include "wire.h"

#if defined(FULL_STACKS) || defined(PROFILE_FULL)
#define PAGE_BYTES 4096
#define PATH_WORDS 256
#define PATH_STEPS 16
#define PATH_COPIED 16384
#define WORDS_AT_ONCE 8
#define SNAPSHOT_PARTS 32

/* What is copied of a stack whose end is not known, and how far one whose end is may reach. */
#define UNBOUNDED_BYTES 65536
#define STACK_MOST (16 << 20)

/* Bounds on snapshots: of calls that look alike, and in bytes on each CPU, in the long run and at once. */
#define WINDOW_NS 100000000
#define SNAPSHOTS_AT_ONCE 8192
#define SNAPSHOTS_IN_WINDOW 16
#define BYTES_IN_MICROSECOND 80
#define BYTES_AT_ONCE (64 << 20)

/* What the words of a group have in common: by how much they differ from those of the snapshot. */
#define SHIFT_NONE 0
#define SHIFT_STACK 1
#define SHIFT_IP 2    /* the file in which the call was made */
#define SHIFT_FILES 3 /* and those that others of its callers are in: the first words tell their shifts */
#define SHIFTS 8

/* A path. Which one: its first snapshot. Word i is at offset[i] from the stack pointer, in bytes. */
struct known_path {
	u64 snapshot;
	u64 registers[WIRE_REGISTERS];
	u64 mask[WIRE_REGISTERS];  /* 0: it does not matter; else all bits */
	u64 moves[WIRE_REGISTERS]; /* all bits: it points to the stack */
	u32 words;
	u32 near;  /* words within the span: they come first */
	u32 span;  /* bytes from the stack pointer that are read at once; the words behind are one by one */
	u32 tgid;  /* of one process alone, where all must be the same; 0: of any */
	u32 files; /* words that tell the shift of a further file: the first of all */
	u32 reserved;
	u64 word[PATH_WORDS + WORDS_AT_ONCE];
	u16 offset[PATH_WORDS + WORDS_AT_ONCE];
	u8 shift[PATH_WORDS + WORDS_AT_ONCE]; /* group */
};

/*
 * What paths are looked up by: processes may have it in common. Programs are loaded to whole pages, and the stack pointer
 * is as far from the beginning of the stack in each.
 */
struct path_key {
	u64 depth;
	u64 comm[2];
	u32 ip;
	u32 variant; /* paths that agree in these */
};

/* How many snapshots were sent until `start`, or bytes of them, less what the long run permits. */
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
	u64 shift[SHIFTS];
	u64 size; /* bytes of stack */
	u32 at;
	u32 tgid;
};

/* What a wire_path says. */
struct path_name {
	u64 snapshot;
	u64 shift;
	u64 flags;
};

BPF_F_TABLE("hash", struct path_key, struct known_path, paths, MAX_PATHS, BPF_F_NO_PREALLOC);
BPF_TABLE("lru_hash", struct path_key, struct path_window, windows, MAX_PATHS);
BPF_PERF_OUTPUT(snapshots);
BPF_PERCPU_ARRAY(snapshot_scratch, struct snapshot_room, 1);

/*
 * Where other programs end: on_stack(), on_candidate() and on_snapshot(). Each ends in the next, or once more in itself. So
 * the verifier goes through each once, and not through all words of all candidates.
 */
enum tail {
	TAIL_STACK,
	TAIL_CANDIDATE,
	TAIL_SNAPSHOT,
	TAILS,
};

BPF_PROG_ARRAY(tails, TAILS);

/* Paths of calls from which nobody returns to where they were made, by the id their thread had at entry. */
BPF_F_TABLE("hash", u32, struct path_name, entry_paths, MAX_THREADS, BPF_F_NO_PREALLOC);

/* Without branches, which the verifier would have to follow. */
static __always_inline int same_registers(const struct known_path *path, const struct snapshot_room *room)
{
	u64 differ = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 2; i < WIRE_REGISTERS; i++)
		differ |= (room->head.registers[i] - path->registers[i] - (room->shift[SHIFT_STACK] & path->moves[i])) &
			  path->mask[i];
	return !differ;
}

/* Begins with a candidate: whether it may be the path of this process, with these registers. */
static __always_inline int begin_candidate(struct snapshot_room *room, const struct known_path *path)
{
	room->candidate = path->snapshot;
	room->shift[SHIFT_STACK] = room->head.registers[1] - path->registers[1];
	room->shift[SHIFT_IP] = room->head.registers[0] - path->registers[0];
	room->shift[SHIFT_FILES] = 0;
	room->shift[SHIFT_FILES + 1] = 0;
	room->shift[SHIFT_FILES + 2] = 0;
	room->shift[SHIFT_FILES + 3] = 0;
	room->shift[SHIFT_FILES + 4] = 0;
	if (path->tgid && (path->tgid != room->tgid || room->shift[SHIFT_STACK] | room->shift[SHIFT_IP]))
		return 0;
	return same_registers(path, room);
}

/* Whether word `at` of `path` is on the stack, the first of a file if `tells`. */
static __always_inline int same_word(struct snapshot_room *room, const struct known_path *path, u32 at, int tells)
{
	u32 offset = path->offset[at];
	u32 group = path->shift[at] & (SHIFTS - 1);

	room->word = *(u64 *)(room->data + (offset & (PATH_COPIED - 8)));
	if (offset >= path->span &&
	    read_user(&room->word, sizeof(room->word), (void *)(room->head.registers[1] + offset)))
		return 0;
	if (tells) {
		room->shift[group] = room->word - path->word[at];
		return !(room->shift[group] & (PAGE_BYTES - 1));
	}
	return room->word - path->word[at] == room->shift[group];
}

/* The same of words that follow each other, within the span; without branches. */
static __always_inline int same_words(const struct snapshot_room *room, const struct known_path *path, u32 at)
{
	u64 differ = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < WORDS_AT_ONCE; i++) {
		const u64 *word = (const u64 *)(room->data + (path->offset[at + i] & (PATH_COPIED - 8)));

		differ |= *word - path->word[at + i] - room->shift[path->shift[at + i] & (SHIFTS - 1)];
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

/* What comes of a run of on_candidate(). */
enum candidate_result {
	CANDIDATE_NONE,	 /* there are no more */
	CANDIDATE_FOUND, /* the call was made by this path */
	CANDIDATE_MORE,	 /* it is to run again: for further words, or the next candidate */
};

/* Goes on with the candidate for the path of the current call that `room` is at, for some words. */
static __always_inline enum candidate_result try_candidate(struct snapshot_room *room)
{
	struct known_path *path = paths.lookup(&room->key);
	int step;

	if (!path)
		return CANDIDATE_NONE;
	if (!room->at && !(begin_candidate(room, path) && copy_span(room, path)))
		goto next;
#pragma clang loop unroll(disable)
	for (step = 0; step < PATH_STEPS; step++) {
		u32 at = room->at;

		/* What is deleted meanwhile may become another path under our eyes. */
		if (path->snapshot != room->candidate)
			goto next;
		if (at >= path->words)
			return CANDIDATE_FOUND;
		at &= PATH_WORDS - 1;
		if (at >= path->files && at + WORDS_AT_ONCE <= path->near) {
			if (!same_words(room, path, at))
				goto next;
			room->at = at + WORDS_AT_ONCE;
		} else {
			if (!same_word(room, path, at, at < path->files))
				goto next;
			room->at = at + 1;
		}
	}
	return CANDIDATE_MORE;
next:
	room->at = 0;
	room->key.variant += 1;
	return CANDIDATE_MORE;
}

/* The shifts of the files that the callers are in, as one number: user space computes it from what was mapped. */
static __always_inline u64 mixed_shifts(const struct snapshot_room *room)
{
	return room->shift[SHIFT_IP] * 0x9e3779b97f4a7c15ULL + room->shift[SHIFT_FILES] * 0xbf58476d1ce4e5b9ULL +
	       room->shift[SHIFT_FILES + 1] * 0x94d049bb133111ebULL +
	       room->shift[SHIFT_FILES + 2] * 0xd6e8feb86659fd93ULL +
	       room->shift[SHIFT_FILES + 3] * 0xa0761d6478bd642fULL +
	       room->shift[SHIFT_FILES + 4] * 0xe7037ed1a0b428dbULL;
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
	u64 left = room->size;
	int bounded = left != UNBOUNDED_BYTES;
	u32 bytes;
	int part;

	room->head.snapshot += 1;
	room->head.depth = room->key.depth;
	__builtin_memcpy(room->head.comm, room->key.comm, sizeof(room->head.comm));
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
 * Whether another snapshot may be sent of calls that look like this one: many at once, until user space has learned the
 * paths, and few in the long run; and of all on this CPU, so many bytes.
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
		paid = (now - window->start) / WINDOW_NS * SNAPSHOTS_IN_WINDOW;
		window->start = now;
		window->sent = window->sent > paid ? window->sent - paid : 0;
	}
	if (window->sent >= SNAPSHOTS_AT_ONCE)
		return 0;
	window->sent += 1;
	return 1;
}

/* Begins to look for the path of the current call, with its registers at `regs`; flags that say that it has none. */
static __always_inline u64 begin_search(struct snapshot_room *room, const void *regs)
{
	if (read_registers(room->head.registers, regs) == USER32_CS)
		return PATH_32_BIT;
	room->size = stack_size(room->head.registers[1]);
	room->key.depth = room->size == UNBOUNDED_BYTES ? room->head.registers[1] : room->size;
	room->key.ip = room->head.registers[0] & (PAGE_BYTES - 1);
	room->key.variant = 0;
	room->at = 0;
	bpf_get_current_comm(room->key.comm, sizeof(room->key.comm));
	room->tgid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}

/* Sends a snapshot of the current call, whose path is not known. */
static __always_inline void make_snapshot(void *ctx, struct snapshot_room *room, struct path_name *found)
{
	u64 now = bpf_ktime_get_ns();

	room->key.variant = 0;
	if (!may_be_sent(room, now)) {
		found->flags = PATH_CAPPED;
		count(CAPPED_STACKS);
	} else if (send_snapshot(ctx, room, bpf_get_current_pid_tgid(), now)) {
		found->snapshot = room->head.snapshot | (u64)bpf_get_smp_processor_id() << 48;
	} else {
		found->flags = PATH_LOST;
		count(LOST_STACKS);
	}
}

static __always_inline void add_path(struct wire_batch *batch, const struct path_name *found)
{
	struct wire_path *path = next_record(batch);

	path->kind = WIRE_PATH;
	path->arg = 0;
	path->captured = sizeof(path->snapshot) + sizeof(path->shift);
	path->flags = found->flags;
	path->snapshot = found->snapshot;
	path->shift = found->shift;
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
