/*
 * Prepares long before it is looked at: a directory, an open file, a name. Then it makes numbered calls, and says for
 * each in LOG when it was made (ns on CLOCK_MONOTONIC), until its input ends.
 *
 * flying FILE LOG
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int descriptor;

__attribute__((noinline)) static long inner(int number)
{
	char path[64];
	char byte;
	struct stat found;

	snprintf(path, sizeof(path), "missing/%d", number);
	return stat(path, &found) + pread(descriptor, &byte, 1, 0);
}

__attribute__((noinline)) static long outer(int number)
{
	return inner(number) + 1;
}

int main(int argc, char **argv)
{
	struct pollfd input = {.fd = 0, .events = POLLIN};
	char line[16];

	if (argc != 3)
		return 1;
	descriptor = open(argv[1], O_RDONLY);
	if (descriptor < 0 || chdir("/usr") || prctl(PR_SET_NAME, "long-ago", 0, 0, 0))
		return 1;
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin) || !freopen(argv[2], "w", stdout))
		return 1;
	for (int number = 0; poll(&input, 1, 5) == 0; number++) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		outer(number);
		printf("%d %lld\n", number, now.tv_sec * 1000000000LL + now.tv_nsec);
	}
	return 0;
}
