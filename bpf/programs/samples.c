// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What runs, found by a timer of each CPU. It interrupts whatever is there, the programs for calls too: nothing that they
 * are in the midst of changing is touched here, and rings, room and counters are its own.
 *   PROFILE                    thread, time and name
 *   PROFILE_FP                 and stacks of user and kernel, as the kernel walks them
 *   PROFILE_FULL               and that of the kernel, with registers and a copy of the user's stack
 *   TASK_REGISTERS             the kernel says where user registers are: since 5.15
 *   TASK_STACK=n               offset in task_struct; they are at the end of that, before
 */
#include "halves.h"
#include "pt_regs.h"
#include "wire.h"

#ifdef PROFILE
#define SAMPLE_WINDOW_NS 100000000
#define SAMPLE_BYTES_IN_WINDOW 3145728

/* What a function may use below its stack pointer: System V ABI, AMD64 supplement, 3.2.2. */
#define RED_ZONE 128

/* A kernel stack, at whose top the registers lie that user code was left with: arch/x86/include/asm/processor.h. */
#define KERNEL_STACK_BYTES 16384

#define PAGE_MASK 4095

struct sample_room {
	struct wire_sample head;
	u8 data[WIRE_SAMPLE_KERNEL + WIRE_SAMPLE_STACK + PAGE_MASK + 1];
	u64 window; /* when it began, and the bytes of stack that were sent in it */
	u64 sent;
};

BPF_PERF_OUTPUT(samples);
BPF_PERCPU_ARRAY(sample_scratch, struct sample_room, 1);

#ifdef PROFILE_FULL
/* Where the registers are that the current thread left user code with; 0: the kernel does not say. */
static __always_inline const void *left_registers(void)
{
#if defined(TASK_REGISTERS)
	/* bpf_task_pt_regs() and bpf_get_current_task_btf(), which older headers do not know. */
	static void *(*const task_registers)(const void *task) = (void *)175;
	static void *(*const current_task)(void) = (void *)158;

	return task_registers(current_task());
#elif defined(TASK_STACK)
	u64 stack = 0;

	bpf_probe_read_kernel(&stack, sizeof(stack), (void *)(bpf_get_current_task() + TASK_STACK));
	return stack ? (void *)(stack + KERNEL_STACK_BYTES - PT_REGS_BYTES) : 0;
#else
	return 0;
#endif
}

/* Reads the registers of the current thread's user code; why there are none. */
static __always_inline u32 read_user_registers(struct sample_room *room, const struct sample_context *ctx)
{
	u64 *to = room->head.registers;
	u64 cs = ctx->regs.cs;

	if (cs & USER_MODE) {
		to[0] = ctx->regs.ip;
		to[1] = ctx->regs.sp;
		to[2] = ctx->regs.bp;
		to[3] = ctx->regs.bx;
		to[4] = ctx->regs.r12;
		to[5] = ctx->regs.r13;
		to[6] = ctx->regs.r14;
		to[7] = ctx->regs.r15;
	} else {
		const void *left = left_registers();

		if (!left)
			return SAMPLE_NO_REGISTERS;
		cs = read_registers(to, left);
	}
	if (cs == USER32_CS)
		return SAMPLE_32_BIT;
	if (cs & USER_MODE)
		return to[0] ? 0 : SAMPLE_NO_USER;
	/* Threads of the kernel have none, and those that it starts for a process have zeros. */
	return to[0] | to[1] ? SAMPLE_NO_REGISTERS : SAMPLE_NO_USER;
}

/* Copies the stack from `from` to `end` behind the `used` bytes of data, page by page; how many there are then. */
static __always_inline u64 copy_stack_part(struct sample_room *room, u64 used, u64 from, u64 most)
{
	u64 bytes = PAGE_MASK + 1 - (from & PAGE_MASK), end = used + most;
	int page;

#pragma clang loop unroll(disable)
	for (page = 0; page <= WIRE_SAMPLE_STACK / (PAGE_MASK + 1); page++) {
		asm volatile("" : "+r"(bytes));
		bytes &= 2 * PAGE_MASK + 1;
		asm volatile("" : "+r"(used));
		if (used >= end || used > WIRE_SAMPLE_KERNEL + WIRE_SAMPLE_STACK || bytes > PAGE_MASK + 1 ||
		    read_user(room->data + used, bytes, (void *)from))
			break;
		used += bytes;
		from += bytes;
		bytes = PAGE_MASK + 1;
	}
	return used < end ? used : end;
}

/* How much of the red zone is to be copied: its page may never have been touched. */
static __always_inline u64 readable_red_zone(u64 sp)
{
	u64 above = sp & PAGE_MASK;
	u8 byte;

	if (above >= RED_ZONE || !read_user(&byte, sizeof(byte), (void *)(sp - RED_ZONE)))
		return RED_ZONE;
	return above;
}
#endif

/* Sends what is in `room`, `used` bytes of data; 0: there is no room for it. */
static __always_inline int send_sample(void *ctx, struct sample_room *room, u64 used)
{
	u64 most = sizeof(room->head) + WIRE_SAMPLE_KERNEL + WIRE_SAMPLE_STACK;

	return !samples.perf_submit(ctx, &room->head, sendable(sizeof(room->head) + used, most));
}

#ifdef PROFILE_FULL
/* Sends the sample with the stack that its registers tell of; 0: there is no room for it. */
static __always_inline int send_with_stack(void *ctx, struct sample_room *room, u64 used)
{
	u64 sp = room->head.registers[1], below = readable_red_zone(sp);
	u64 from = sp - below, left = below + stack_size(sp), end;
	int part;

	room->head.below = below;
#pragma clang loop unroll(disable)
	for (part = 0; part < WIRE_SAMPLE_PARTS; part++) {
		end = copy_stack_part(room, used, from, left < WIRE_SAMPLE_STACK ? left : WIRE_SAMPLE_STACK);
		room->head.part = part;
		room->head.user = end - used;
		if ((part && end == used) || !send_sample(ctx, room, end))
			return part;
		room->sent += end - used;
		if (end - used < WIRE_SAMPLE_STACK)
			break;
		left -= WIRE_SAMPLE_STACK;
		from += WIRE_SAMPLE_STACK;
		used = 0;
		room->head.kernel = 0;
	}
	return 1;
}
#endif

/* perf event: CPU clock */
IN_HALF_OF_REST int on_sample(struct sample_context *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), used = 0;
	struct sample_room *room;
	int zero = 0, sent;

	if (!is_recorded(id >> 32, id))
		return 0;
	room = sample_scratch.lookup(&zero);
	if (!room)
		return 0;
	room->head.number += 1;
	room->head.ts = bpf_ktime_get_ns();
	room->head.pid = id >> 32;
	room->head.tid = id;
	room->head.uid = bpf_get_current_uid_gid();
	room->head.flags = ctx->regs.cs & USER_MODE ? 0 : SAMPLE_IN_KERNEL;
	room->head.kernel = 0;
	room->head.user = 0;
	room->head.part = 0;
	room->head.below = 0;
	bpf_get_current_comm(room->head.comm, sizeof(room->head.comm));
#if defined(PROFILE_FP) || defined(PROFILE_FULL)
	if (room->head.flags & SAMPLE_IN_KERNEL) {
		room->head.kernel = bpf_get_stack(ctx, room->data, WIRE_SAMPLE_KERNEL, 0);
		used = sendable(room->head.kernel, WIRE_SAMPLE_KERNEL);
	}
#endif
#ifdef PROFILE_FP
	room->head.user = bpf_get_stack(ctx, room->data + used, WIRE_SAMPLE_KERNEL, BPF_F_USER_STACK);
	used += sendable(room->head.user, WIRE_SAMPLE_KERNEL);
	if (!room->head.user)
		room->head.flags |= SAMPLE_NO_USER;
#endif
#ifdef PROFILE_FULL
	room->head.flags |= read_user_registers(room, ctx);
	if (room->head.ts - room->window > SAMPLE_WINDOW_NS) {
		room->window = room->head.ts;
		room->sent = 0;
	}
	if (!(room->head.flags & ~SAMPLE_IN_KERNEL) && room->sent >= SAMPLE_BYTES_IN_WINDOW) {
		room->head.flags |= SAMPLE_CAPPED;
		count(CAPPED_SAMPLES);
	}
	if (!(room->head.flags & ~SAMPLE_IN_KERNEL))
		sent = send_with_stack(ctx, room, used);
	else
#endif
		sent = send_sample(ctx, room, used);
	count(sent ? SENT_SAMPLES : LOST_SAMPLES);
	return 0;
}
#endif
