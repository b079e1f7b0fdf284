/*
 * Does known things exactly 23 times: opens a file that is missing, opens one that exists, sleeps, reads.
 *
 * usage: known FOLDER [wait]     with "wait": says "ready" and begins when a line comes on standard input
 *
 * Prints what each group took, in ns of CLOCK_MONOTONIC: "GROUP BEGIN END". FOLDER/existing must hold at least 7 bytes,
 * FOLDER/missing must not exist.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIMES 23
#define SLEEP_NS 1000
#define READ_BYTES 7

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void say(const char *group, long long begin)
{
	printf("%s %lld %lld\n", group, begin, now());
}

int main(int argc, char **argv)
{
	char missing[PATH_MAX], existing[PATH_MAX], line[16], buffer[READ_BYTES];
	struct timespec nap = {0, SLEEP_NS};
	long long begin;
	int files[TIMES];
	int i;

	if (argc < 2)
		return 2;
	snprintf(missing, sizeof(missing), "%s/missing", argv[1]);
	snprintf(existing, sizeof(existing), "%s/existing", argv[1]);
	if (argc > 2 && strcmp(argv[2], "wait") == 0) {
		printf("ready\n");
		fflush(stdout);
		if (read(0, line, sizeof(line)) <= 0)
			return 1;
	}

	begin = now();
	for (i = 0; i < TIMES; i++)
		if (open(missing, O_RDONLY) >= 0)
			return 1;
	say("missing", begin);
	begin = now();
	for (i = 0; i < TIMES; i++)
		files[i] = open(existing, O_RDONLY | O_CLOEXEC);
	say("existing", begin);
	begin = now();
	for (i = 0; i < TIMES; i++)
		nanosleep(&nap, NULL);
	say("sleep", begin);
	begin = now();
	for (i = 0; i < TIMES; i++)
		if (read(files[i], buffer, READ_BYTES) != READ_BYTES)
			return 1;
	say("read", begin);
	for (i = 0; i < TIMES; i++)
		close(files[i]);
	return 0;
}
