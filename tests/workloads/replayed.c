/* What bpftrace scripts ask about: says "ready", waits for a line, then makes calls of many kinds, known numbers of each.
 * Then it is called "waiting", says "done" and waits for the end of its input: what it does there nobody compares, and
 * whoever looks up its stacks finds it alive.
 * Strings are copied to the stack first, so that BPF programs can read them: a page that is not resident reads as "". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_PATH "/nonexistent/a-path-that-is-longer-than-the-sixty-three-characters-of-bpftrace-0.17/file"

static void *named(void *name)
{
	prctl(PR_SET_NAME, name);
	for (int i = 0; i < 7; i++)
		syscall(SYS_getppid);
	return NULL;
}

static void opens(void)
{
	char path[256];

	for (int i = 0; i < 5; i++) {
		strcpy(path, "/dev/null");
		close(open(path, O_RDONLY));
		sprintf(path, "/nonexistent/%d", i);
		open(path, O_RDWR | O_CLOEXEC);
	}
	strcpy(path, LONG_PATH);
	open(path, O_RDONLY);
	strcpy(path, "/nonexistent/\xc3\xa4\xff");
	open(path, O_RDONLY);
	strcpy(path, "/tmp/missing");
	open(path, O_RDONLY);
	strcpy(path, "/dev/zero");
	close(syscall(SYS_open, path, O_RDONLY));
	syscall(SYS_openat, AT_FDCWD, NULL, 0);
}

static void files(void)
{
	char buffer[8192], path[64], other[64];
	struct iovec vectors[2] = {{buffer, 3}, {buffer, 4}};
	struct statfs space;
	struct stat status;

	memset(buffer, 'x', sizeof(buffer));
	int in = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);
	for (int size = 1; size <= 8192; size *= 2) {
		read(in, buffer, size);
		write(out, buffer, size);
	}
	strcpy(buffer, "hello\001 world");
	write(out, buffer, 12);
	writev(out, vectors, 2);
	lseek(out, -5, SEEK_SET);
	read(-1, buffer, 1);
	fsync(out);
	strcpy(path, "/tmp");
	statfs(path, &space);
	syscall(SYS_stat, path, &status);
	syscall(SYS_lstat, path, &status);
	strcpy(path, "/nonexistent/stat");
	syscall(SYS_stat, path, &status);
	strcpy(path, "/nonexistent/from");
	strcpy(other, "/nonexistent/to");
	rename(path, other);
	close(in);
	close(out);
}

static void memory(void)
{
	for (int pages = 1; pages <= 8; pages++) {
		int flags = pages % 4 ? MAP_SHARED : MAP_PRIVATE;
		void *at = mmap(NULL, pages * 4096L, PROT_READ, flags | MAP_ANONYMOUS, -1, 0);
		munmap(at, pages * 4096L);
	}
}

static void sockets(void)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x7f000001)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(10), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
	int fds[] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET6, SOCK_STREAM, 0),
		     socket(AF_UNIX, SOCK_STREAM, 0)};

	connect(fds[0], (struct sockaddr *)&v4, sizeof(v4));
	connect(fds[1], (struct sockaddr *)&v6, sizeof(v6));
	connect(fds[2], (struct sockaddr *)&un, sizeof(un));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void others(void)
{
	struct timespec pause = {0, 1000001}, left = {7, 8};
	struct pollfd waited = {0, POLLOUT, 0};
	struct rlimit limit = {4096, 8192};

	for (int i = 0; i < 3; i++)
		syscall(SYS_nanosleep, &pause, &left);
	poll(&waited, 1, 0);
	kill(getpid(), 0);
	kill(999999, SIGTERM);
	syscall(SYS_setuid, getuid());
	syscall(SYS_setresuid, -1, -1, -1);
	syscall(SYS_setfsuid, getuid());
	syscall(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL);
	sync();
	for (int i = 0; i < 23; i++)
		syscall(SYS_getppid);
}

int main(int argc, char **argv)
{
	char line[16];
	pthread_t threads[2];

	(void)argv;
	if (argc > 1)
		return 0; /* it executed itself */

	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	opens();
	files();
	memory();
	sockets();
	others();
	pthread_create(&threads[0], NULL, named, "replayed-one");
	pthread_join(threads[0], NULL);
	pthread_create(&threads[1], NULL, named, "replayed-two");
	pthread_join(threads[1], NULL);
	pid_t child = fork();
	if (!child) {
		char program[] = "/proc/self/exe", first[] = "again", second[] = "an argument";
		char *arguments[] = {first, second, NULL}, *environment[] = {NULL};
		execve(program, arguments, environment);
		_exit(1);
	}
	waitpid(child, NULL, 0);
	prctl(PR_SET_NAME, "waiting");
	puts("done");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
