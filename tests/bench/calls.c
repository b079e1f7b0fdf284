/*
 * Makes system calls of one kind at full speed.
 *
 * usage: calls CONTROL RESULT KIND COUNT     see held.h
 *
 * KIND: getppid, read (one byte of /dev/zero), open-missing (fails), open-close (counted as two calls), two-threads
 * (getppid, half of COUNT in each of two threads on a CPU of their own), mixed (read, and every tenth is open-missing),
 * spin (no calls: a hundred additions instead)
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

#include "held.h"

struct lane {
	pthread_t thread;
	long count;
	long long begin, end;
};

static pthread_barrier_t start;

static void *call(void *arg)
{
	struct lane *lane = arg;
	long i;

	pthread_barrier_wait(&start);
	lane->begin = now_ns();
	for (i = 0; i < lane->count; i++)
		syscall(SYS_getppid);
	lane->end = now_ns();
	return NULL;
}

/* The lanes exist, each bound to a CPU, before anybody attaches. */
static void make_lanes(struct lane lanes[2], long count)
{
	cpu_set_t ours, one;
	pthread_attr_t attributes;
	int cpu = 0, i;

	sched_getaffinity(0, sizeof(ours), &ours);
	if (CPU_COUNT(&ours) < 2) {
		fprintf(stderr, "calls: two-threads needs two CPUs\n");
		exit(2);
	}
	pthread_barrier_init(&start, NULL, 3);
	for (i = 0; i < 2; i++, cpu++) {
		while (!CPU_ISSET(cpu, &ours))
			cpu++;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		pthread_attr_init(&attributes);
		pthread_attr_setaffinity_np(&attributes, sizeof(one), &one);
		lanes[i].count = count / 2;
		if (pthread_create(&lanes[i].thread, &attributes, call, &lanes[i])) {
			fprintf(stderr, "calls: no thread\n");
			exit(2);
		}
	}
}

static void run_lanes(struct lane lanes[2], long long *begin, long long *end)
{
	int i;

	pthread_barrier_wait(&start);
	for (i = 0; i < 2; i++)
		pthread_join(lanes[i].thread, NULL);
	*begin = lanes[0].begin < lanes[1].begin ? lanes[0].begin : lanes[1].begin;
	*end = lanes[0].end > lanes[1].end ? lanes[0].end : lanes[1].end;
}

int main(int argc, char **argv)
{
	long i, count = argc == 5 ? atol(argv[4]) : 0;
	const char *kind = argv[3];
	int zero = open("/dev/zero", O_RDONLY);
	struct lane lanes[2];
	struct rusage usage;
	long long begin, end;
	struct held held;
	volatile long sum = 0;
	char byte;

	if (count <= 0)
		return 2;
	held = held_from(argv);
	if (strcmp(kind, "two-threads") == 0)
		make_lanes(lanes, count);
	held_wait(held);
	begin = now_ns();
	if (strcmp(kind, "getppid") == 0)
		for (i = 0; i < count; i++)
			syscall(SYS_getppid);
	else if (strcmp(kind, "read") == 0)
		for (i = 0; i < count; i++)
			read(zero, &byte, 1);
	else if (strcmp(kind, "open-missing") == 0)
		for (i = 0; i < count; i++)
			open("/nonexistent/configuration.conf", O_RDONLY);
	else if (strcmp(kind, "open-close") == 0)
		for (i = 0; i < count / 2; i++)
			close(open("/dev/null", O_RDONLY));
	else if (strcmp(kind, "mixed") == 0)
		for (i = 0; i < count; i++)
			if (i % 10)
				read(zero, &byte, 1);
			else
				open("/nonexistent/configuration.conf", O_RDONLY);
	else if (strcmp(kind, "spin") == 0)
		for (i = 0; i < 100 * count; i++)
			sum += i;
	else if (strcmp(kind, "two-threads") != 0)
		return 2;
	end = now_ns();
	if (strcmp(kind, "two-threads") == 0)
		run_lanes(lanes, &begin, &end);
	getrusage(RUSAGE_SELF, &usage);
	held_report(held, begin, end, &usage);
	return 0;
}
