/*
 * Several processes of several threads, each thread with its own number of calls, all at once.
 *
 * usage: crowd PROCESSES THREADS CALLS [together]     says "ready" and begins when a line comes on standard input;
 * together: no thread of a process begins before all are there, and none ends before all have made their calls.
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

static int processes, threads, calls, together;
static pthread_barrier_t barrier;

static void meet(void)
{
	if (together)
		pthread_barrier_wait(&barrier);
}

static void *work(void *number)
{
	int i, times = calls + (int)(long)number;

	meet();
	for (i = 0; i < times; i++) {
		syscall(SYS_getppid);
		if (i % 10 == 0)
			open("/nonexistent/crowd", O_RDONLY);
	}
	meet();
	return NULL;
}

static void run(int process)
{
	pthread_t thread[64];
	int t;

	pthread_barrier_init(&barrier, NULL, threads);
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
	together = argc > 4;
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
