/*
 * A server that starts workers: says "ready", and when told to go starts as many as its first argument says, by fork,
 * vfork and clone3 in turn. Worker i calls getppid 20 + i times, first and last of all; every fourth has a child of its
 * own that calls getuid 5 times. A child from before "ready" calls getgid 50 times when the server does.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void times(int number, int count)
{
	while (count--)
		syscall(number);
}

static void work(int i)
{
	times(SYS_getppid, 10 + i);
	if (i % 4 == 0) {
		if (!syscall(SYS_fork)) {
			times(SYS_getuid, 5);
			_exit(0);
		}
		wait(0);
	}
	times(SYS_getppid, 10);
	_exit(i % 128);
}

static void start(int i)
{
	struct clone_args args = {.exit_signal = SIGCHLD};

	if (i % 3 == 0 && !syscall(SYS_fork))
		work(i);
	if (i % 3 == 1 && !vfork())
		work(i);
	if (i % 3 == 2 && !syscall(SYS_clone3, &args, sizeof(args)))
		work(i);
}

int main(int argc, char **argv)
{
	int workers = argc > 1 ? atoi(argv[1]) : 1;
	int ends[2];
	char line[8];

	if (pipe(ends))
		return 1;
	if (!fork()) {
		close(ends[1]);
		if (read(ends[0], line, 1) != 0)
			return 1;
		times(SYS_getgid, 50);
		return 0;
	}
	close(ends[0]);
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	close(ends[1]);
	for (int i = 0; i < workers; i++)
		start(i);
	while (wait(0) > 0)
		;
	return 0;
}
