/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What travels through the ring buffers. bpf/wire.py is the numpy side; a test compares the two.
 *
 * Records are collected per CPU and sent many at a time: a perf sample is struct perf_event_header (8 bytes), u32 raw
 * size, and as payload a wire_batch from `calls` on, so that the records in it are aligned as their members need.
 */
#ifndef BPFREC_WIRE_H
#define BPFREC_WIRE_H

#ifdef BPFREC_USERSPACE
#include <linux/types.h>
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
#endif

enum wire_kind {
	WIRE_SYSCALL = 1,
	WIRE_DATA = 2,
	WIRE_STACK = 3,
	WIRE_PROCESS = 4,
	WIRE_PATH = 5,
	WIRE_SIGNAL = 6,
	WIRE_URING = 7,
};

enum wire_flags {
	WIRE_COMPAT = 1,       /* nr and args are those of the 32-bit table */
	WIRE_X32 = 2,	       /* called with X32_SYSCALL_BIT */
	WIRE_NO_RETURN = 4,    /* the thread ended in the call; duration and ret mean nothing */
	WIRE_RETRIED = 8,      /* inline data was read at exit: at entry it was not resident */
	WIRE_SPILLED = 16,     /* inline data is cut; a wire_data record of the same argument has all of it */
	WIRE_NO_ENTRY = 32,    /* the entry was not seen: the call was refused, and ts is when */
	WIRE_EARLIER = 64,     /* with it, in a thread's first call: or it was under way at ts, when recording began */
	WIRE_INLINE_CUT = 128, /* there is more than the inline data */
};

/* In `arg` of a wire_data, above the argument: what it points at in turn. */
enum wire_part {
	WIRE_NAME = 8,	    /* socket address of a message */
	WIRE_CONTROL = 16,  /* its control data */
	WIRE_CONTENTS = 32, /* what stands in its buffers, or in those of a vector */
};

#define WIRE_ARGS 6
#define WIRE_INLINE 256
#define WIRE_STRUCT 128
#define WIRE_CUT 1	   /* in flags of a wire_data: there is more than this */
#define WIRE_AT_EXIT 2	   /* ... : a result */
#define WIRE_ASIDE 8	   /* captures that can be kept aside for one call */
#define WIRE_DATA_MAX 4104 /* PATH_MAX, and a byte more to tell what is longer */
#define WIRE_FRAMES 127

/*
 * A batch is sent when it holds more than WIRE_BATCH_FULL bytes and another call ends; WIRE_BATCH_MAX leaves room for
 * what one call may add to that.
 */
#define WIRE_BATCH_FULL 4096
#define WIRE_BATCH_MAX 24560

/* The records of one CPU, one behind the other. */
struct wire_batch {
	u32 used;  /* bytes of data */
	u32 burst; /* times that calls found no room, and then did again */
	u32 state; /* bits of enum batch_state */
	u32 calls; /* wire_syscall records in it; what is sent begins here */
	u8 data[WIRE_BATCH_MAX];
};

/*
 * One system call, made when it ended. It is followed by its arguments, u64 args[nargs], and then by `captured` bytes of
 * inline data. Its wire_data and wire_stack records stand right before it, in the same batch.
 */
struct wire_syscall {
	u16 size;     /* of the whole record, a multiple of 8, as in all of them */
	s16 captured; /* bytes of inline data (strings without their NUL); -errno where it could not be read */
	u8 kind;
	u8 flags;
	u8 nargs;
	u8 reserved;
	u64 ts;	      /* entry, ns, CLOCK_MONOTONIC */
	u64 duration; /* ns */
	s64 ret;
	u32 pid;
	u32 tid;
	u32 uid;
	s32 nr;
};

/*
 * User memory of one argument that has no room in its wire_syscall, or is not the first. Strings of a vector stand one
 * behind the other, each with its NUL.
 */
struct wire_data {
	u16 size;
	s16 captured; /* as in wire_syscall; WIRE_DATA_MAX - 1: cut */
	u8 kind;
	u8 arg;
	u16 flags; /* WIRE_CUT, WIRE_AT_EXIT */
	u8 data[WIRE_DATA_MAX];
};

/* A wire_data that is short. */
struct wire_struct {
	u16 size; /* 0: none */
	s16 captured;
	u8 kind;
	u8 arg;
	u16 flags;
	u8 data[WIRE_STRUCT];
};

enum process_news {
	PROCESS_BORN = 1,
	PROCESS_ENDED = 2,
	PROCESS_URING_CLOSE = 3, /* io_uring is to close a descriptor of it */
};

/* What is told of a process, between the records of calls. */
struct wire_process {
	u16 size;
	s16 captured; /* 0 */
	u8 kind;
	u8 what;
	u16 reserved;
	u64 ts; /* ns, CLOCK_MONOTONIC */
	u32 pid;
	u32 status; /* of one that ended, as wait4() gives it; of a close by io_uring, the descriptor */
	u32 ns_pid; /* of one that was born: its id in its innermost pid namespace, and that namespace's inode number */
	u32 pid_ns;
	u32 uid; /* of one that was born: its real user id */
	u32 tid; /* of a close by io_uring: the thread that asked for it */
};

#define WIRE_SIGNAL_INFO 48

enum signal_flags {
	SIGNAL_NO_INFO = 1, /* the kernel has no siginfo for it: `info` is 0 */
};

/* A signal that a thread was given, between the records of calls. */
struct wire_signal {
	u16 size;
	s16 captured; /* 0 */
	u8 kind;
	u8 flags; /* enum signal_flags */
	u16 reserved;
	u64 ts; /* ns, CLOCK_MONOTONIC */
	u32 pid;
	u32 tid;
	u32 uid;
	s32 signal;
	u64 handler; /* sa_handler of its action: 0 is the default, 1 ignores it */
	u8 comm[16];
	u8 info[WIRE_SIGNAL_INFO]; /* the kernel's siginfo, from si_signo on: include/uapi/asm-generic/siginfo.h */
};

enum uring_flags {
	URING_POLLED = 1,      /* a thread of the kernel takes requests from the ring */
	URING_UNREAD = 2,      /* only the opcode is known of what was asked */
	URING_HANDED_OVER = 4, /* the submitter did not wait for it: a thread of the kernel does it */
	URING_UNTOLD = 8,      /* it has no completion */
	URING_EARLIER = 16,    /* its submission was not seen, and ts is when it completed */
	URING_NO_REQUEST = 32, /* the completion names no request that is known */
	URING_REFUSED = 64,    /* the kernel did not take it */
};

#define PATH_NONE (-61) /* -ENODATA: there is none */

/* A request to io_uring, sent for each of its completions. `captured` bytes of its paths follow, one behind the other. */
struct wire_uring {
	u16 size;
	s16 captured;
	u8 kind;
	u8 flags; /* enum uring_flags */
	u8 opcode;
	u8 entry_flags; /* of the submission, as all up to file_index */
	u64 ts;		/* submitted, ns, CLOCK_MONOTONIC */
	u64 end;	/* completed; 0: it is not */
	u64 user_data;
	u64 off;
	u64 addr;
	u64 call; /* entry of the call in which it was submitted; 0: of none that is recorded */
	u32 pid;
	u32 tid;
	u32 uid;
	s32 fd;
	u32 len;
	u32 op_flags;
	s32 ret;
	u32 cqe_flags;
	s32 file_index; /* slot in the ring's own files, from 1; or of a splice, the descriptor that is read */
	u16 ioprio;
	u16 reserved;
	s16 path; /* bytes of the first path; -errno: it could not be read, PATH_NONE: it takes none */
	s16 path2;
	u8 comm[16];
	u8 rest[4];
};

#define WIRE_KERNEL_STACK 1016 /* bytes of WIRE_FRAMES addresses */

/*
 * A time that a thread was not running, or its end. `kernel` bytes of return addresses in the kernel follow, innermost
 * first: where it left. Sent by itself, through rings of its own.
 */
struct wire_off_cpu {
	u64 ts;	   /* when it left its CPU, ns, CLOCK_MONOTONIC */
	u64 back;  /* when it ran again; 0: it has not */
	u64 woken; /* when it was woken; 0: it was not, or that was not seen */
	u64 call;  /* entry of the call that it was in; 0: of none that is recorded */
	u64 run;   /* ns that it had run by then, as the scheduler counts them */
	u64 user;  /* ... and as the kernel counts them by kind */
	u64 system;
	u32 pid;
	u32 tid;
	u32 uid;
	s32 nr;
	u32 state; /* task_struct.__state, and enum off_cpu_state */
	u32 waker_pid;
	u32 waker_tid;
	u16 cpu;
	u16 back_cpu;
	u8 call_flags; /* enum wire_flags */
	u8 reserved[3];
	s32 kernel; /* -errno where the walk failed */
	u8 comm[16];
};

enum off_cpu_state {
	OFF_CPU_PREEMPTED = 1 << 30, /* it was to run on, but another thread was let run */
	OFF_CPU_ENDED = 1 << 29,     /* the thread ends */
};

/* A thread's call from entry to exit. User space reads the slots that are in a call when recording stops. */
struct call_slot {
	u32 tid;       /* whose it is; 0: nobody's */
	u32 crowd;     /* threads that have a slot elsewhere because this is not free */
	u32 state;     /* 0: in no call */
	u16 aside;     /* bits of the captures kept elsewhere until the call ends */
	u16 uid_reads; /* calls at whose entry the uid is to be read, after one that can change it */
	struct wire_syscall call;
	u64 args[WIRE_ARGS];
	u8 data[WIRE_INLINE];
	struct wire_struct more;
	u32 plan;    /* row of the plan table */
	u32 room;    /* what the caller has for a result whose size it is told */
	u32 more_of; /* which capture `more` is */
	u32 own;     /* it is a helper of the recorder: nothing of it is recorded */
};

#define WIRE_SNAPSHOT_BYTES 16384
#define WIRE_REGISTERS 8

/*
 * Registers and user stack of a call, for finding its callers. `bytes` of stack follow: part n begins n times
 * WIRE_SNAPSHOT_BYTES from the stack pointer. Sent by itself, through rings of its own.
 */
struct wire_snapshot {
	u64 snapshot; /* counted on each CPU from 1; the same in all parts */
	u64 ts;	      /* ns, CLOCK_MONOTONIC */
	u32 pid;
	u32 tid;
	u32 bytes;
	u16 part;
	u16 missing; /* a bit for each page of the part, from the first: it could not be read, and is not 0 but unknown */
	u64 registers[WIRE_REGISTERS]; /* rip, rsp, rbp, rbx, r12 to r15 */
	u64 depth;   /* bytes from the stack pointer to where the stack begins; or else that pointer */
	u64 comm[2]; /* name of the thread */
};

/* By which path a call was made. */
struct wire_path {
	u16 size;
	s16 captured; /* 16 */
	u8 kind;
	u8 arg;	      /* 0 */
	u16 flags;    /* enum path_flags */
	u64 snapshot; /* of that path, with its CPU in the upper 16 bits; 0: none */
	u64 shift;    /* of a known path: where its files are, compared with the snapshot; 0: there */
};

enum path_flags {
	PATH_CAPPED = 1, /* no snapshot was made: too many had been just now */
	PATH_LOST = 2,	 /* there was no room for it */
	PATH_32_BIT = 4, /* 32-bit code made the call */
	PATH_KNOWN = 8,	 /* the snapshot is that of an earlier call, whose path is known to be the same */
};

#define WIRE_SAMPLE_KERNEL 1016 /* bytes of WIRE_FRAMES addresses */
#define WIRE_SAMPLE_STACK 16384
#define WIRE_SAMPLE_PARTS 16

/*
 * A thread that ran when a CPU's timer fired. `kernel` bytes of return addresses in the kernel follow, innermost first,
 * then `user` bytes: of return addresses too, or of the user's stack, from `below` bytes under the stack pointer on. Of
 * a stack that is longer further parts come, with the same number. Sent by itself, through rings of its own.
 */
struct wire_sample {
	u64 number; /* counted on each CPU from 1 */
	u64 ts;	    /* ns, CLOCK_MONOTONIC */
	u32 pid;
	u32 tid;
	u32 uid;
	u16 flags; /* enum sample_flags */
	u16 part;
	s32 kernel; /* -errno where the walk failed */
	s32 user;
	u32 below;
	u32 reserved;
	u8 comm[16];
	u64 registers[WIRE_REGISTERS]; /* of user code; as in wire_snapshot */
};

enum sample_flags {
	SAMPLE_IN_KERNEL = 1,	  /* it ran kernel code */
	SAMPLE_CAPPED = 2,	  /* no stack was copied: too much had been just now */
	SAMPLE_32_BIT = 4,	  /* its user code is 32-bit code */
	SAMPLE_NO_USER = 8,	  /* it has no user code */
	SAMPLE_NO_REGISTERS = 16, /* where it left its user code is not known */
};

/* The user stack at exit, as the kernel walks frame pointers: return addresses, innermost first. */
struct wire_stack {
	u16 size;
	s16 captured; /* bytes of ips; -errno where the walk failed */
	u8 kind;
	u8 arg;	   /* 0 */
	u16 flags; /* 0 */
	u64 ips[WIRE_FRAMES];
};

#endif
