/*
 * Makes system calls of one kind at full speed.
 *
 * usage: calls KIND COUNT     says "ready", begins when a line comes on standard input, and prints the ns per call
 *
 * KIND: getppid, read (one byte of /dev/zero), open-missing (fails), open-close (counted as two calls)
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	long i, count = argc > 2 ? atol(argv[2]) : 0;
	int zero = open("/dev/zero", O_RDONLY);
	char line[8];
	double begin;

	if (count <= 0)
		return 2;
	printf("ready\n");
	fflush(stdout);
	if (read(0, line, sizeof(line)) <= 0)
		return 1;
	begin = now();
	if (strcmp(argv[1], "getppid") == 0)
		for (i = 0; i < count; i++)
			syscall(SYS_getppid);
	else if (strcmp(argv[1], "read") == 0)
		for (i = 0; i < count; i++)
			read(zero, line, 1);
	else if (strcmp(argv[1], "open-missing") == 0)
		for (i = 0; i < count; i++)
			open("/nonexistent/configuration.conf", O_RDONLY);
	else if (strcmp(argv[1], "open-close") == 0)
		for (i = 0; i < count / 2; i++)
			close(open("/dev/null", O_RDONLY));
	else
		return 2;
	printf("%.2f\n", (now() - begin) / count);
	return 0;
}
