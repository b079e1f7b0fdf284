/*
 * Makes system calls of one kind at full speed.
 *
 * usage: calls CONTROL RESULT KIND COUNT     see held.h
 *
 * KIND: getppid, read (one byte of /dev/zero), open-missing (fails), open-missing-deep (the same, 20 functions deep),
 * open-close (counted as two calls), two-threads (getppid, half of COUNT in each of two threads on a CPU of their own),
 * mixed (read, and every tenth is open-missing), spin (no calls: a hundred additions instead), ping-pong (a byte to another
 * thread and back, on one CPU: four calls and two switches), ring (io_uring_enter, each with one request that does nothing)
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
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

static int there[2], back[2];

static void *echo(void *unused)
{
	char byte;

	while (read(there[0], &byte, 1) == 1)
		write(back[1], &byte, 1);
	return unused;
}

/* Another thread sends back each byte. */
static void make_echo(void)
{
	cpu_set_t one;
	pthread_t thread;

	sched_getaffinity(0, sizeof(one), &one);
	for (int cpu = CPU_SETSIZE - 1; CPU_COUNT(&one) > 1; cpu--)
		CPU_CLR(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (pipe(there) || pipe(back) || pthread_create(&thread, NULL, echo, NULL)) {
		fprintf(stderr, "calls: no thread\n");
		exit(2);
	}
}

static struct io_uring_params setup;
static char *rings;
static int ring;

static void make_ring(void)
{
	ring = syscall(SYS_io_uring_setup, 8, &setup);
	rings = mmap(0, setup.cq_off.cqes + setup.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	if (ring < 0 || rings == MAP_FAILED || !(setup.features & IORING_FEAT_SINGLE_MMAP)) {
		fprintf(stderr, "calls: no io_uring\n");
		exit(2);
	}
	/* All entries are zeros, which ask for nothing; the kernel finds each at its own place. */
	for (unsigned i = 0; i < setup.sq_entries; i++)
		((unsigned *)(rings + setup.sq_off.array))[i] = i;
}

static void ask_for_nothing(void)
{
	__atomic_fetch_add((unsigned *)(rings + setup.sq_off.tail), 1, __ATOMIC_SEQ_CST);
	syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
	__atomic_fetch_add((unsigned *)(rings + setup.cq_off.head), 1, __ATOMIC_SEQ_CST);
}

static __attribute__((noinline)) int open_missing(int depth)
{
	volatile char room[64];

	room[0] = 0;
	return (depth ? open_missing(depth - 1) : open("/nonexistent/configuration.conf", O_RDONLY)) + room[0];
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
	else if (strcmp(kind, "ping-pong") == 0)
		make_echo();
	else if (strcmp(kind, "ring") == 0)
		make_ring();
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
	else if (strcmp(kind, "open-missing-deep") == 0)
		for (i = 0; i < count; i++)
			open_missing(20);
	else if (strcmp(kind, "open-close") == 0)
		for (i = 0; i < count / 2; i++)
			close(open("/dev/null", O_RDONLY));
	else if (strcmp(kind, "mixed") == 0)
		for (i = 0; i < count; i++)
			if (i % 10)
				read(zero, &byte, 1);
			else
				open("/nonexistent/configuration.conf", O_RDONLY);
	else if (strcmp(kind, "ping-pong") == 0)
		for (i = 0; i < count / 4; i++) {
			write(there[1], &byte, 1);
			read(back[0], &byte, 1);
		}
	else if (strcmp(kind, "ring") == 0)
		for (i = 0; i < count; i++)
			ask_for_nothing();
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
