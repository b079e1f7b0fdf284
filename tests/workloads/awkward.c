/*
 * Calls that are hard to tell right: bad pointers, long and odd paths, unknown numbers, interrupted and restarted calls,
 * threads that are killed in a call or execute a program. Executes itself once, with an argument, and ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void on_signal(int number)
{
	(void)number;
}

static void handle(int number, int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	sigaction(number, &action, 0);
}

/* A path of `length` bytes in one mapping. */
static char *path_of(size_t length)
{
	char *path = malloc(length + 1);

	for (size_t i = 0; i < length; i++)
		path[i] = i % 100 ? 'a' + i % 26 : '/';
	path[length] = 0;
	return path;
}

static void paths(void)
{
	static const int lengths[] = {1, 7, 8, 253, 254, 255, 256, 257, 1000, 4094, 4095, 4096, 5000};
	char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *odd[] = {"",
			     "\xff\xfe/\x80",
			     "\xc3\xa9\xe2\x82\xac",
			     "new\nline\ttab\x1b[0m",
			     "quote\"back\\slash",
			     "\\xff",
			     "*/ /* , ) = 3",
			     "\001"
			     "2\0"};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		open(path_of(lengths[i]), O_RDONLY);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		open(odd[i], O_RDONLY);
		rename(odd[i], path_of(300));
		symlinkat(odd[i], AT_FDCWD, "/nowhere/link");
	}
	syscall(SYS_open, 0, O_RDONLY);
	open((char *)8, O_RDONLY);
	open((char *)-4096L, O_RDONLY);
	syscall(SYS_renameat2, AT_FDCWD, 0, AT_FDCWD, 16, 0);
	syscall(SYS_statx, AT_FDCWD, 0, 0, 0, 0);
	munmap(page + 4096, 4096);
	strcpy(page + 4096 - 6, "/ends");
	open(page + 4096 - 6, O_RDONLY);
	memset(page, 'x', 4096);
	open(page + 4096 - 6, O_RDONLY);
	open(page + 4096 - 300, O_RDONLY);
	rename(page + 4096 - 300, page + 4096 - 300);
}

static void numbers(void)
{
	syscall(9999, 1, 2, 3, 4, 5, 6);
	syscall(-1, 1, 2, 3, 4, 5, 6);
	syscall(-1234567, 1, 2, 3, 4, 5, 6);
	syscall(0x40000000 | SYS_getpid);
	syscall(0x40000000 | 9999);
	syscall(400);
	syscall(SYS_close, -1L, -2L);
	syscall(SYS_lseek, -1, -5L, 7);
	syscall(SYS_getppid, -1L, -1L, -1L, -1L, -1L, -1L);

	mmap((void *)-1L, -1UL, -1, -1, -1, -1);
}

static void signals(void)
{
	struct timespec little = {.tv_nsec = 20000000}, wrong = {.tv_nsec = -1}, left;
	timer_t timer;
	struct itimerspec soon = {.it_value.tv_nsec = 5000000};
	int ends[2];
	char byte;
	pid_t child;

	handle(SIGALRM, 0);
	timer_create(CLOCK_MONOTONIC, 0, &timer);
	timer_settime(timer, 0, &soon, 0);
	nanosleep(&little, &left);
	syscall(SYS_nanosleep, &wrong, 0);
	syscall(SYS_nanosleep, 0, 0);
	syscall(SYS_nanosleep, 8, 0);
	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &little, 8);
	handle(SIGALRM, SA_RESTART);
	if (pipe(ends))
		exit(1);
	child = fork();
	if (!child) {
		/* Stopped and continued, a sleep goes on by restart_syscall. */
		syscall(SYS_nanosleep, &little, 0);
		if (write(ends[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	nanosleep(&soon.it_value, 0);
	kill(child, SIGSTOP);
	nanosleep(&soon.it_value, 0);
	kill(child, SIGCONT);
	timer_settime(timer, 0, &soon, 0);
	if (read(ends[0], &byte, 1) != 1)
		exit(1);
	nanosleep(&soon.it_value, 0);
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
}

static void *stay(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *spin(void *unused)
{
	for (;;)
		syscall(SYS_getppid);
	return unused;
}

static void *execute(void *self)
{
	execl(self, self, "again", (char *)0);
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	(void)argv;
	for (int i = 0; i < 2; i++) {
		pthread_create(&thread, 0, stay, 0);
		pthread_create(&thread, 0, spin, 0);
	}
	if (argc > 1) {
		if (!vfork())
			_exit(7);
		wait(0);
		return 0;
	}
	mkdir("odd", 0777);
	paths();
	numbers();
	signals();
	pthread_create(&thread, 0, execute, "/proc/self/exe");
	pthread_join(thread, 0);
	return 1;
}
