/*
 * Calls functions of the C library, each another number of times, after saying "ready" and being told to go. Most of them
 * fail; which system call is made does not depend on that.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define TIMES(n, call)                                                                                                 \
	for (int i = 0; i < (n); i++)                                                                                  \
	call

static const char *const nowhere = "/nowhere/at/all";
static char stack[65536];

static int child(void *unused)
{
	(void)unused;
	_exit(0);
}

static void start(int how)
{
	extern char **environ;
	char *argv[] = {"true", NULL};
	pid_t pid = 0;

	switch (how) {
	case 0:
		pid = fork();
		break;
	case 1:
		pid = vfork();
		break;
	case 2:
		pid = clone(child, stack + sizeof stack, SIGCHLD, NULL);
		break;
	default:
		posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ);
	}
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	struct stat st;
	struct timespec ns = {0, 1}, both[2] = {{1, 1}, {1, 1}};
	struct timeval us[2] = {{0, 1}, {0, 1}};
	struct utimbuf seconds = {1, 1};
	struct rlimit limit;
	struct pollfd none = {.fd = -1};
	fd_set set;
	int pair[2], folder = open("/", O_RDONLY | O_DIRECTORY);
	struct epoll_event event;
	struct sembuf nothing = {0};
	struct statvfs volume;
	char byte, name[256];

	FD_ZERO(&set);
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	TIMES(2, open(nowhere, O_RDONLY));
	TIMES(3, openat(folder, "nowhere", O_RDONLY));
	TIMES(4, creat(nowhere, 0600));
	TIMES(5, stat(nowhere, &st));
	TIMES(6, lstat(nowhere, &st));
	TIMES(7, fstat(folder, &st));
	TIMES(8, fstatat(folder, "nowhere", &st, 0));
	TIMES(9, access(nowhere, R_OK));
	TIMES(10, faccessat(folder, "nowhere", R_OK, 0));
	TIMES(11, rename(nowhere, "/nowhere/else"));
	TIMES(12, renameat(AT_FDCWD, nowhere, AT_FDCWD, "/nowhere/else"));
	TIMES(13, unlink(nowhere));
	TIMES(14, rmdir(nowhere));
	TIMES(15, unlinkat(AT_FDCWD, nowhere, AT_REMOVEDIR));
	TIMES(16, mkdir(nowhere, 0700));
	TIMES(17, mknod(nowhere, S_IFREG | 0600, 0));
	TIMES(18, chmod(nowhere, 0600));
	TIMES(19, fchmodat(AT_FDCWD, nowhere, 0600, 0));
	TIMES(20, utime(nowhere, &seconds));
	TIMES(21, lutimes(nowhere, us));
	TIMES(22, futimens(99, both));
	TIMES(23, umount(nowhere));
	TIMES(24, umount2(nowhere, MNT_DETACH));
	TIMES(25, {
		if (!pipe(pair)) {
			close(pair[0]);
			close(pair[1]);
		}
	});
	TIMES(26, pipe2(NULL, O_NONBLOCK));
	TIMES(27, dup2(-1, 9));
	TIMES(28, dup3(-1, 9, O_CLOEXEC));
	TIMES(29, accept(-1, NULL, NULL));
	TIMES(30, accept4(-1, NULL, NULL, SOCK_NONBLOCK));
	TIMES(31, recv(-1, &byte, 1, 0));
	TIMES(32, send(-1, &byte, 1, 0));
	TIMES(33, poll(&none, 1, 0));
	TIMES(34, ppoll(&none, 1, &ns, NULL));
	TIMES(35, select(0, &set, NULL, NULL, &us[0]));
	TIMES(36, pselect(0, &set, NULL, NULL, &ns, NULL));
	TIMES(37, epoll_wait(-1, &event, 1, 0));
	TIMES(38, close(epoll_create(1)));
	TIMES(39, close(inotify_init()));
	TIMES(40, nanosleep(&ns, NULL));
	TIMES(41, clock_nanosleep(CLOCK_MONOTONIC, 0, &ns, NULL));
	TIMES(42, getrlimit(RLIMIT_NOFILE, &limit));
	TIMES(43, setrlimit(RLIMIT_NOFILE, &limit));
	TIMES(44, semop(-1, &nothing, 1));
	TIMES(45, seteuid(geteuid()));
	TIMES(46, mkfifo(nowhere, 0600));
	TIMES(47, statvfs(nowhere, &volume));
	TIMES(48, gethostname(name, sizeof name));
	TIMES(3, start(0));
	TIMES(4, start(1));
	TIMES(5, start(2));
	TIMES(6, start(3));
	return 0;
}
