/*
 * Several processes of several threads, each thread with its own number of calls, all at once.
 *
 * usage: crowd PROCESSES THREADS CALLS     says "ready" and begins when a line comes on standard input
 *
 * With 0 PROCESSES the threads are its own. Thread t of process p calls getppid CALLS + 100 * p + t times, and opens a missing file a tenth as often.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int processes, threads, calls;

static void *work(void *number)
{
	int i, times = calls + (int)(long)number;

	for (i = 0; i < times; i++) {
		syscall(SYS_getppid);
		if (i % 10 == 0)
			open("/nonexistent/crowd", O_RDONLY);
	}
	return NULL;
}

static void run(int process)
{
	pthread_t thread[64];
	int t;

	for (t = 0; t < threads; t++)
		pthread_create(&thread[t], NULL, work, (void *)(long)(100 * process + t));
	for (t = 0; t < threads; t++)
		pthread_join(thread[t], NULL);
}

int main(int argc, char **argv)
{
	char line[16];
	int p;

	if (argc < 4)
		return 2;
	processes = atoi(argv[1]);
	threads = atoi(argv[2]);
	calls = atoi(argv[3]);
	if (threads > 64)
		return 2;
	printf("ready\n");
	fflush(stdout);
	if (read(0, line, sizeof(line)) <= 0)
		return 1;
	if (processes == 0)
		run(0);
	for (p = 0; p < processes; p++)
		if (fork() == 0) {
			run(p);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	return 0;
}
