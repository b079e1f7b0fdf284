// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What was counted, per CPU. */
enum counter {
	SENT_SYSCALLS,
	LOST_SYSCALLS,
	LOST_DATA,	/* paths kept aside for which there was no room */
	LOST_THREADS,	/* calls of threads, and whole processes, for which there was no room */
	LOST_EXITS,	/* calls whose exit was not seen */
	LOST_PROCESSES, /* what was to be told of processes, for which there was no room */
	LOST_STACKS,	/* snapshots of stacks for which there was no room */
	CAPPED_STACKS,	/* and those that were not made: there were many like them */
	SENT_SAMPLES,
	LOST_SAMPLES,	/* for which there was no room */
	CAPPED_SAMPLES, /* without a copy of the stack: there was much of others */
	LOST_SIGNALS,	/* for which there was no room */
	SENT_OFF_CPU,
	LOST_OFF_CPU,  /* times off the CPU for which there was no room */
	LOST_REQUESTS, /* to io_uring, for which there was no room */
	COUNTERS,
};

BPF_PERCPU_ARRAY(counters, u64, COUNTERS);

static __always_inline void count_many(u32 which, u32 many)
{
	u64 *counter = counters.lookup(&which);

	if (counter)
		*counter += many;
}

static __always_inline void count(u32 which)
{
	count_many(which, 1);
}
