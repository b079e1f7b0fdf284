/*
 * Two functions that are alike, down to where their frames lie, take turns to open each its own missing file.
 *
 * usage: twins COUNT          COUNT turns
 *        twins COUNT wait     says "ready"; a line lets it take turns, another ends that; it says how many it took,
 *                             calls getppid, and takes COUNT turns more
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEPT __attribute__((noinline, noclone))

KEPT static int missing(const char *path)
{
	int fd = open(path, O_RDONLY);

	__asm__ volatile("" ::: "memory");
	return fd;
}

KEPT static int left(void)
{
	int fd = missing("/nonexistent/left");

	__asm__ volatile("nop" ::: "memory");
	return fd;
}

KEPT static int right(void)
{
	int fd = missing("/nonexistent/right");

	__asm__ volatile("" ::: "memory");
	return fd;
}

static int line_came(int patience)
{
	struct pollfd input = {0, POLLIN, 0};
	char line[16];

	return poll(&input, 1, patience) > 0 && read(0, line, sizeof(line)) > 0;
}

int main(int argc, char **argv)
{
	int left_over = argc > 1 ? atoi(argv[1]) : 1, waits = argc > 2, turns = 0;

	if (waits) {
		puts("ready");
		fflush(stdout);
		if (!line_came(-1))
			return 1;
	}
	/* Every turn is taken from the same place, or the stacks would differ in more than one caller. */
	while (waits || left_over > 0) {
		left();
		right();
		turns++;
		if (!waits) {
			left_over--;
		} else if (line_came(0)) {
			waits = 0;
			printf("%d\n", turns);
			fflush(stdout);
			getppid();
		}
	}
	return 0;
}
