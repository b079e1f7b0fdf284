/*
 * Two functions that are alike, down to where their frames lie, take turns to open each its own missing file.
 *
 * usage: twins COUNT
 */
#include <fcntl.h>
#include <stdlib.h>

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

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;

	while (count-- > 0) {
		left();
		right();
	}
	return 0;
}
