/*
 * What happens at the edges of a call, by the name in the first argument. Known numbers of getppid, getuid, getgid and
 * getpgrp calls mark the places.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RENAMES 300

static const char *self;
static int ends[2];
static const struct timespec moment = {.tv_nsec = 20000000};

static void times(int number, int count)
{
	while (count--)
		syscall(number);
}

/* Waits until the thread `tid` of this process, or the process, sleeps in the call `number`. */
static void until_in(int tid, int number)
{
	char name[64], said[64];
	FILE *file;

	for (;;) {
		snprintf(name, sizeof(name), "/proc/%d/syscall", tid);
		file = fopen(name, "r");
		if (file && fgets(said, sizeof(said), file) && atoi(said) == number && said[0] != 'r') {
			fclose(file);
			return;
		}
		if (file)
			fclose(file);
		nanosleep(&moment, 0);
	}
}

static void vforks(void)
{
	for (int i = 0; i < 50; i++) {
		if (!vfork()) {
			execl("/bin/true", "true", (char *)0);
			_exit(1);
		}
		wait(0);
	}
}

static volatile int tids[4];

static void *blocked(void *place)
{
	char byte;

	tids[(long)place] = gettid();
	if (read(ends[0], &byte, 1) >= 0)
		exit(1);
	return 0;
}

static void block(int threads)
{
	pthread_t thread;

	for (long i = 0; i < threads; i++) {
		pthread_create(&thread, 0, blocked, (void *)i);
		while (!tids[i])
			nanosleep(&moment, 0);
		until_in(tids[i], SYS_read);
	}
}

static void *execute(void *unused)
{
	until_in(getpid(), SYS_pause);
	execl(self, self, "executed", (char *)0);
	return unused;
}

static void thread_executes(void)
{
	pthread_t thread;

	block(3);
	times(SYS_getppid, 3);
	pthread_create(&thread, 0, execute, 0);
	for (;;)
		pause();
}

static void killed(void)
{
	pid_t child = fork();

	if (!child) {
		block(2);
		times(SYS_getuid, 4);
		blocked((void *)2);
	}
	until_in(child, SYS_read);
	kill(child, SIGKILL);
	wait(0);
	if (!fork()) {
		block(2);
		times(SYS_getgid, 6);
		_exit(6);
	}
	wait(0);
}

/* Two processes one after the other that have the same id; the first begins when told to, if that is asked for. */
static void same_id(int wait_for_it)
{
	static const char *names[] = {"first", "second"};
	static const int calls[] = {SYS_getuid, SYS_getgid};
	pid_t id = 0;
	char line[8];

	for (int i = 0; i < 2; i++) {
		struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = i ? (long)&id : 0, .set_tid_size = i};
		pid_t child = syscall(SYS_clone3, &args, sizeof(args));

		if (!child) {
			if (wait_for_it && i == 0 && read(ends[0], line, 1) != 1)
				_exit(1);
			times(calls[i], 5 + i);
			prctl(PR_SET_NAME, names[i]);
			times(calls[i], 100 + i);
			_exit(10 + i);
		}
		if (child < 0)
			exit(1);
		id = child;
		if (wait_for_it && i == 0) {
			printf("ready\n%d\n", id);
			fflush(stdout);
			if (!fgets(line, sizeof(line), stdin) || write(ends[1], "x", 1) != 1)
				exit(1);
		}
		waitpid(child, 0, 0);
	}
}

static void *rename_self(void *number)
{
	char name[16];

	for (int i = 0; i < RENAMES; i++) {
		snprintf(name, sizeof(name), "t%ld-%d", (long)number, i);
		prctl(PR_SET_NAME, name);
		close(1000 * ((long)number + 1) + i);
		close(1000 * ((long)number + 1) + i);
	}
	return 0;
}

static volatile int turn;

static void *be_renamed(void *unused)
{
	char byte;

	tids[0] = gettid();
	for (turn = 0; turn < 10; turn++) {
		if (read(ends[0], &byte, 1) != 1)
			exit(1);
		times(SYS_getuid, 2);
	}
	return unused;
}

static void renames(void)
{
	pthread_t threads[3];
	char name[64], new[16];

	for (long i = 0; i < 3; i++)
		pthread_create(&threads[i], 0, rename_self, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], 0);
	pthread_create(&threads[0], 0, be_renamed, 0);
	while (!tids[0])
		nanosleep(&moment, 0);
	snprintf(name, sizeof(name), "/proc/self/task/%d/comm", tids[0]);
	for (int i = 0; i < 10; i++) {
		FILE *file;

		/* Woken but not yet run, it is still in the read of its last turn. */
		while (turn != i)
			nanosleep(&moment, 0);
		until_in(tids[0], SYS_read);
		file = fopen(name, "w");
		snprintf(new, sizeof(new), "other-%d", i);
		if (!file || fputs(new, file) < 0 || fclose(file) || write(ends[1], "x", 1) != 1)
			exit(1);
	}
	pthread_join(threads[0], 0);
}

static void on_signal(int number)
{
	(void)number;
	times(SYS_getpgrp, 3);
}

static void handle(int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	sigaction(SIGUSR1, &action, 0);
}

/* The child waits in one call after the other; the parent interrupts each. */
static void interrupted(void)
{
	static const struct timespec second = {.tv_sec = 1};
	struct pollfd none = {.fd = -1};
	char byte;
	pid_t child = fork();

	if (!child) {
		syscall(SYS_nanosleep, &second, 0);
		handle(0);
		read(ends[0], &byte, 1);
		syscall(SYS_poll, &none, 1, 100000);
		handle(SA_RESTART);
		read(ends[0], &byte, 1);
		_exit(byte == 'x' ? 8 : 9);
	}
	until_in(child, SYS_nanosleep);
	kill(child, SIGSTOP);
	waitpid(child, 0, WUNTRACED);
	kill(child, SIGCONT);
	until_in(child, SYS_read);
	kill(child, SIGUSR1);
	until_in(child, SYS_poll);
	kill(child, SIGUSR1);
	until_in(child, SYS_read);
	kill(child, SIGUSR1);
	nanosleep(&moment, 0);
	until_in(child, SYS_read);
	if (write(ends[1], "x", 1) != 1)
		exit(1);
	wait(0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} edges[] = {{"vforks", vforks},
		     {"thread-executes", thread_executes},
		     {"killed", killed},
		     {"renames", renames},
		     {"interrupted", interrupted}};

	self = argv[0];
	if (argc < 2 || pipe(ends))
		return 1;
	if (!strcmp(argv[1], "executed")) {
		times(SYS_getuid, 11);
		return 4;
	}
	if (!strcmp(argv[1], "same-id")) {
		same_id(argc > 2);
		return 0;
	}
	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++)
		if (!strcmp(argv[1], edges[i].name)) {
			edges[i].run();
			return 0;
		}
	return 1;
}
