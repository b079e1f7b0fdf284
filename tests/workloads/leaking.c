// Leaves descriptors open, of each kind a known number: leaking FOLDER [SECONDS]. It prints "ready", waits for a line (or
// the end of its input), works, prints "done", sleeps SECONDS, and waits for the end of its input.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *folder;

__attribute__((noinline)) static int open_session(int number)
{
	char name[4096];
	snprintf(name, sizeof name, "%s/session-%d", folder, number);
	return open(name, O_RDWR | O_CREAT, 0600);
}

__attribute__((noinline)) static void forget_session(int number)
{
	open_session(number);
}

__attribute__((noinline)) static void keep_order(int number)
{
	close(open_session(number));
}

// A thread's descriptors are those of its process: 9 sessions, of which the main thread closes 4.
static int of_thread[9];

static void *work(void *unused)
{
	for (int i = 0; i < 9; i++)
		of_thread[i] = open("/dev/null", O_RDONLY);
	return unused;
}

int main(int argc, char **argv)
{
	folder = argv[1];
	puts("ready");
	fflush(stdout);
	getchar();

	open("/etc/passwd", O_RDONLY); // kept, once
	for (int i = 0; i < 12; i++)
		forget_session(i);
	for (int i = 0; i < 23; i++)
		keep_order(i);
	for (int i = 0; i < 7; i++)
		eventfd(0, 0);
	int pair[2];
	for (int i = 0; i < 3; i++)
		pipe(pair);
	for (int i = 0; i < 2; i++)
		socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	for (int i = 0; i < 6; i++)
		dup(1);
	// Marked to be closed by an exec: still the descriptor that F_DUPFD made.
	for (int i = 0; i < 5; i++)
		fcntl(fcntl(1, F_DUPFD, 500), F_SETFD, FD_CLOEXEC);
	// Each replaces the one before: one is left.
	for (int i = 0; i < 10; i++)
		dup2(1, 700);
	for (int i = 0; i < 8; i++)
		dup2(1, 800 + i);
	close_range(800, 803, 0);

	pthread_t thread;
	pthread_create(&thread, NULL, work, NULL);
	pthread_join(thread, NULL);
	for (int i = 0; i < 4; i++)
		close(of_thread[i]);

	// A child closes what it inherited, which is open here; it executes a program, which has nothing that was marked,
	// and ends.
	if (fork() == 0) {
		for (int i = 0; i < 11; i++)
			open("/etc/hosts", O_RDONLY | (i < 6 ? O_CLOEXEC : 0));
		close(of_thread[8]);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	wait(NULL);

	puts("done");
	fflush(stdout);
	if (argc > 2)
		sleep(atoi(argv[2]));
	while (getchar() != EOF)
		;
	return 0;
}
