/*
 * Opens /nonexistent/NAME once by each of the ways, called NAME, in which functions come to call each other.
 *
 * usage: callers [LIBRARY]     LIBRARY: to be loaded, a shared object made of this file with -DLIBRARY
 */
#include <alloca.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT __attribute__((noinline, noclone))
/* What stands behind a call, so that it is no jump. */
#define RETURNED __asm__ volatile("" ::: "memory")

KEPT int missing(const char *path)
{
	int fd = open(path, O_RDONLY);

	RETURNED;
	return fd;
}

#ifdef LIBRARY
KEPT static int inside(const char *path)
{
	int fd = missing(path);

	RETURNED;
	return fd;
}

int call_library(const char *path)
{
	int fd = inside(path);

	RETURNED;
	return fd;
}
#else
KEPT static int recurse(const char *path, int depth)
{
	volatile char kept[24];
	int fd;

	kept[0] = depth;
	fd = depth ? recurse(path, depth - 1) : missing(path);
	RETURNED;
	return fd + kept[0] * 0;
}

KEPT static int with_alloca(const char *path, size_t size)
{
	char *room = alloca(size);
	int fd;

	memset(room, 1, size);
	fd = missing(path);
	__asm__ volatile("" : : "r"(room) : "memory");
	return fd;
}

KEPT static int with_large_frame(const char *path)
{
	char room[9000];
	int fd;

	memset(room, 1, sizeof(room));
	__asm__ volatile("" : : "r"(room) : "memory");
	fd = missing(path);
	__asm__ volatile("" : : "r"(room) : "memory");
	return fd;
}

/* Pages that nothing is put into are not there. */
KEPT static int with_unused_pages(const char *path)
{
	char room[100000];
	int fd;

	__asm__ volatile("" : : "r"(room) : "memory");
	fd = missing(path);
	__asm__ volatile("" : : "r"(room) : "memory");
	return fd;
}

static int compare(const void *first, const void *second)
{
	static int done;

	if (!done++)
		missing("/nonexistent/callback");
	return *(const int *)first - *(const int *)second;
}

static void on_signal(int number)
{
	(void)number;
	missing("/nonexistent/signal");
	RETURNED;
}

static void *in_thread(void *path)
{
	recurse(path, 300);
	RETURNED;
	return path;
}

int main(int argc, char **argv)
{
	int numbers[] = {3, 2, 1};
	pthread_t threads[2];

	missing("/nonexistent/plain");
	recurse("/nonexistent/recursion-100", 100);
	recurse("/nonexistent/recursion-2000", 2000);
	with_alloca("/nonexistent/alloca", 3000 + argc);
	with_large_frame("/nonexistent/large-frame");
	with_unused_pages("/nonexistent/unused-pages");
	qsort(numbers, 3, sizeof(numbers[0]), compare);
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	pthread_create(&threads[0], NULL, in_thread, "/nonexistent/thread");
	pthread_join(threads[0], NULL);
#ifndef STATIC
	if (argc > 1) {
		void *library = dlopen(argv[1], RTLD_NOW);
		int (*call)(const char *) = (int (*)(const char *))dlsym(library, "call_library");

		call("/nonexistent/library");
	}
#endif
	return 0;
}
#endif
