/*
 * A process that is held until told to begin, so that a tracer can attach to it first, and that says what it took.
 *
 * CONTROL and RESULT are numbers of inherited file descriptors, the first two arguments of the program. It writes "ready"
 * to RESULT, begins when a line comes on CONTROL, writes one line of four numbers: wall ns, end on CLOCK_MONOTONIC in ns,
 * CPU ns and peak memory in bytes; and stays until CONTROL is closed, so that it is not its end that stops the tracer.
 */
#ifndef HELD_H
#define HELD_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct held {
	int control, result;
};

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct held held_from(char **argv)
{
	struct held held = {atoi(argv[1]), atoi(argv[2])};

	fcntl(held.control, F_SETFD, FD_CLOEXEC);
	fcntl(held.result, F_SETFD, FD_CLOEXEC);
	return held;
}

static void held_wait(struct held held)
{
	char line[8];

	dprintf(held.result, "ready\n");
	if (read(held.control, line, sizeof(line)) <= 0)
		exit(1);
}

static long long cpu_ns(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000LL +
	       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000LL;
}

static void held_report(struct held held, long long begin, long long end, const struct rusage *usage)
{
	char line[8];

	dprintf(held.result, "%lld %lld %lld %ld\n", end - begin, end, cpu_ns(usage), usage->ru_maxrss * 1024);
	while (read(held.control, line, sizeof(line)) > 0)
		;
}

#endif
