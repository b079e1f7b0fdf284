/*
 * Passes paths of every awkward kind to system calls.
 *
 * usage: paths FOLDER
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char path[3 * PATH_MAX];

/* "/nonexistent/aaa...", `length` bytes in all. */
static const char *path_of(size_t length)
{
	memset(path, 'a', length);
	memcpy(path, "/nonexistent/", 13);
	path[length] = 0;
	return path;
}

int main(int argc, char **argv)
{
	char file[PATH_MAX], *page;
	int fd;

	if (argc < 2)
		return 2;
	open("", O_RDONLY);
	open("/nonexistent/caf\xc3\xa9", O_RDONLY);
	open("/nonexistent/\xff\xfe", O_RDONLY);
	open("/nonexistent/\x1b[31mred", O_RDONLY);
	syscall(SYS_open, NULL, O_RDONLY);
	syscall(SYS_open, 0x10, O_RDONLY);
	open(path_of(254), O_RDONLY);
	open(path_of(255), O_RDONLY);
	open(path_of(256), O_RDONLY);
	open(path_of(PATH_MAX - 1), O_RDONLY);
	open(path_of(2 * PATH_MAX), O_RDONLY);
	rename("/nonexistent/from", "/nonexistent/to");
	linkat(AT_FDCWD, "/nonexistent/old", AT_FDCWD, path_of(1000), 0);
	syscall(SYS_rename, "/nonexistent/from", NULL);

	/* A path on a page that is not resident: freshly mapped from a file. */
	snprintf(file, sizeof(file), "%s/page", argv[1]);
	fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (write(fd, "/nonexistent/not-resident", 26) != 26)
		return 1;
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	open(page, O_RDONLY);
	return 0;
}
