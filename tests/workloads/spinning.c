/*
 * Threads that use the CPU in known ways, and one that does not. Prints the CPU time of each in ns when they are done.
 *   spinning TURNS         at once
 *   spinning TURNS wait    says "ready" and begins when there is a line to read
 *   spinning TURNS alone   the same with the main thread alone
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define STEPS 100000
#define READS 20

static volatile unsigned long sink;
static volatile long depth = 22;
static long turns;
static int done[2];

__attribute__((noinline)) static void little(void)
{
	for (long i = 0; i < STEPS; i++)
		sink += i;
}

__attribute__((noinline)) static void much(void)
{
	for (long i = 0; i < 3 * STEPS; i++)
		sink += i;
}

__attribute__((noinline)) long branch(long n);

/* Most of its time goes to saving and giving back registers. */
__attribute__((noinline)) long through(long a, long b, long c, long d, long e, long f, long g, long n)
{
	return branch(n) + ((a ^ b ^ c ^ d ^ e ^ f ^ g) & 1);
}

__attribute__((noinline)) long branch(long n)
{
	if (n < 2)
		return n;
	return through(n, 1, 2, 3, 4, 5, 6, n - 1) + through(1, n, 2, 3, 4, 5, 6, n - 2);
}

static long long cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void named(const char *name)
{
	prctl(PR_SET_NAME, name);
}

static void *loops(void *used)
{
	named("loops");
	for (long i = 0; i < turns; i++) {
		little();
		much();
	}
	*(long long *)used = cpu_time();
	return 0;
}

static void *branches(void *used)
{
	named("branches");
	for (long i = 0; i < turns; i++)
		sink += branch(depth);
	*(long long *)used = cpu_time();
	return 0;
}

__attribute__((noinline)) static void reads(int fd)
{
	static char buffer[1 << 20];

	for (int i = 0; i < READS; i++)
		if (read(fd, buffer, sizeof(buffer)) < 0)
			abort();
}

static void *kernel(void *used)
{
	int fd = open("/dev/zero", O_RDONLY);

	named("kernel");
	for (long i = 0; i < turns; i++)
		reads(fd);
	*(long long *)used = cpu_time();
	return 0;
}

static void *sleeps(void *used)
{
	char byte;

	named("sleeps");
	if (read(done[0], &byte, 1) != 0)
		abort();
	*(long long *)used = cpu_time();
	return 0;
}

int main(int argc, char **argv)
{
	void *(*const bodies[])(void *) = {loops, branches, kernel, sleeps};
	const char *names[] = {"loops", "branches", "kernel", "sleeps"};
	long long used[4];
	pthread_t threads[4];

	turns = argc > 1 ? atol(argv[1]) : 1;
	if (argc > 2) {
		puts("ready");
		fflush(stdout);
		getchar();
	}
	if (argc > 2 && !strcmp(argv[2], "alone")) {
		for (long i = 0; i < turns; i++)
			much();
		printf("alone %lld\n", cpu_time());
		return 0;
	}
	if (pipe(done))
		return 1;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], 0, bodies[i], &used[i]);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], 0);
	close(done[1]);
	pthread_join(threads[3], 0);
	for (int i = 0; i < 4; i++)
		printf("%s %lld\n", names[i], used[i]);
	return 0;
}
