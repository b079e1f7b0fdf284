// Waits for locks, of each kind a known number of times: locking FOLDER [deadlock SECONDS]. It prints "ready", waits for
// a line (or the end of its input), and works. With "deadlock", three threads and two processes then wait for each other
// until SECONDS are over; else it prints "done" and waits for the end of its input.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char flocked[4096], ranged[4096];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static unsigned *shared;

static void pause_ms(int milliseconds)
{
	usleep(milliseconds * 1000);
}

static void lock_range(int file, int kind, int command)
{
	struct flock range = {.l_type = kind, .l_whence = SEEK_SET, .l_start = 100, .l_len = 10};
	fcntl(file, command, &range);
}

static void *hold_mutex(void *unused)
{
	for (int i = 0; i < 5; i++) {
		pthread_mutex_lock(&mutex);
		pthread_barrier_wait(&barrier);
		pause_ms(20);
		pthread_mutex_unlock(&mutex);
		pthread_barrier_wait(&barrier);
	}
	return unused;
}

static void *want_mutex(void *unused)
{
	for (int i = 0; i < 5; i++) {
		pthread_barrier_wait(&barrier);
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
		pthread_barrier_wait(&barrier);
	}
	return unused;
}

static void *linger(void *unused)
{
	pause_ms(30);
	return unused;
}

static pid_t holder_of_files(int begun[2], int again[2])
{
	pid_t child = fork();
	if (child)
		return child;
	char byte = 0;
	int first = open(flocked, O_RDWR | O_CREAT, 0600), second = open(ranged, O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 3; i++) {
		flock(first, LOCK_EX);
		write(begun[1], &byte, 1);
		pause_ms(20);
		flock(first, LOCK_UN);
		read(again[0], &byte, 1);
	}
	for (int i = 0; i < 2; i++) {
		lock_range(second, F_WRLCK, F_SETLK);
		write(begun[1], &byte, 1);
		pause_ms(20);
		lock_range(second, F_UNLCK, F_SETLK);
		read(again[0], &byte, 1);
	}
	// The last lock is given back by the end of the process.
	flock(first, LOCK_EX);
	write(begun[1], &byte, 1);
	pause_ms(20);
	_exit(0);
}

static void wait_for_files(void)
{
	int begun[2], again[2];
	char byte;
	pipe(begun);
	pipe(again);
	int first = open(flocked, O_RDWR | O_CREAT, 0600), second = open(ranged, O_RDWR | O_CREAT, 0600);
	pid_t child = holder_of_files(begun, again);
	for (int i = 0; i < 6; i++) {
		read(begun[0], &byte, 1);
		if (i >= 3 && i < 5) {
			lock_range(second, F_WRLCK, F_SETLKW);
			lock_range(second, F_UNLCK, F_SETLK);
		} else {
			flock(first, LOCK_EX);
			flock(first, LOCK_UN);
		}
		if (i < 5)
			write(again[1], &byte, 1);
	}
	waitpid(child, NULL, 0);
}

// A futex in memory that two processes share, at different addresses.
static void wait_for_shared_memory(const char *folder)
{
	char name[4200];
	snprintf(name, sizeof name, "%s/memory", folder);
	int file = open(name, O_RDWR | O_CREAT, 0600);
	ftruncate(file, 8192);
	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (fork() == 0) {
		mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		unsigned *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096);
		for (int i = 0; i < 4; i++) {
			pause_ms(15);
			other[2] = i + 1;
			syscall(SYS_futex, &other[2], FUTEX_WAKE, 1, NULL, NULL, 0);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < 4; i++)
		while (shared[1024 + 2] == i)
			syscall(SYS_futex, &shared[1024 + 2], FUTEX_WAIT, i, NULL, NULL, 0);
	wait(NULL);
}

static pthread_mutex_t left, right;

static void *left_then_right(void *unused)
{
	pthread_mutex_lock(&left);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&right);
	return unused;
}

static void *right_then_left(void *unused)
{
	pthread_mutex_lock(&right);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&left);
	return unused;
}

// Two processes, each with a lock of a file that the other one wants; and a process whose threads wait for each other.
static void deadlock(int seconds)
{
	int gate[2];
	char byte = 0;
	pipe(gate);
	for (int i = 0; i < 2; i++)
		if (fork() == 0) {
			alarm(seconds);
			int mine = open(i ? flocked : ranged, O_RDWR), other = open(i ? ranged : flocked, O_RDWR);
			flock(mine, LOCK_EX);
			write(gate[1], &byte, 1);
			pause_ms(100);
			flock(other, LOCK_EX);
			_exit(0);
		}
	for (int i = 0; i < 2; i++)
		read(gate[0], &byte, 1);
	alarm(seconds);
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_t threads[2];
	pthread_create(&threads[0], NULL, left_then_right, NULL);
	pthread_create(&threads[1], NULL, right_then_left, NULL);
	pthread_join(threads[0], NULL);
}

int main(int argc, char **argv)
{
	snprintf(flocked, sizeof flocked, "%s/flocked", argv[1]);
	snprintf(ranged, sizeof ranged, "%s/ranged", argv[1]);
	puts("ready");
	fflush(stdout);
	getchar();

	wait_for_files();
	wait_for_shared_memory(argv[1]);
	pthread_t threads[2];
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&threads[0], NULL, hold_mutex, NULL);
	pthread_create(&threads[1], NULL, want_mutex, NULL);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	pthread_create(&threads[0], NULL, linger, NULL);
	pthread_join(threads[0], NULL);
	if (argc > 3)
		deadlock(atoi(argv[3]));
	puts("done");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
