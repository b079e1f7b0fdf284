/* Two threads, one with a working directory of its own and one with descriptors of its own, before and after "go": apart FOLDER.
 * Prints what the kernel calls each descriptor: "NUMBER NAME", beside an lseek(fd, NUMBER, 99) of it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int go_on[2], done[2];
static int passwd, group;

static void look(int number, int fd)
{
	char link[64], name[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/thread-self/fd/%d", fd);
	length = readlink(link, name, sizeof(name) - 1);
	name[length < 0 ? 0 : length] = 0;
	syscall(SYS_lseek, fd, (long)number, 99);
	printf("%d %s\n", number, length < 0 ? "NULL" : name);
}

static void next_turn(void)
{
	char c;

	if (write(done[1], "x", 1) < 0 || read(go_on[0], &c, 1) < 0)
		_exit(1);
}

static void end_turn(void)
{
	if (write(done[1], "x", 1) < 0)
		_exit(1);
	pause();
}

static void *with_own_directory(void *unused)
{
	if (unshare(CLONE_FS) || chdir("/etc"))
		_exit(1);
	next_turn();
	look(1, open("hostname", O_RDONLY));
	end_turn();
	return unused;
}

static void *with_own_descriptors(void *unused)
{
	if (unshare(CLONE_FILES) || dup2(group, 50) < 0)
		_exit(1);
	next_turn();
	look(2, 50);
	if (dup2(passwd, 51) < 0)
		_exit(1);
	look(3, 51);
	end_turn();
	return unused;
}

/* Lets the two threads go on, one after the other; they wait for the same pipe. */
static void turn(int threads)
{
	char c;

	while (threads--)
		if (write(go_on[1], "x", 1) < 0 || read(done[0], &c, 1) < 0)
			_exit(1);
}

static void start(void)
{
	pthread_t thread;
	char c;

	if (pthread_create(&thread, 0, with_own_directory, 0) || read(done[0], &c, 1) < 0 ||
	    pthread_create(&thread, 0, with_own_descriptors, 0) || read(done[0], &c, 1) < 0)
		_exit(1);
}

int main(int argc, char **argv)
{
	char line[10];

	if (argc != 2 || chdir(argv[1]) || pipe(go_on) || pipe(done))
		return 1;
	passwd = open("/etc/passwd", O_RDONLY);
	group = open("/etc/group", O_RDONLY);
	if (dup2(passwd, 50) < 0)
		return 1;
	start();
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	turn(2);
	look(4, 50);
	look(5, 51);
	look(6, open("file", O_RDONLY));
	/* And once more, with threads that part while they are recorded. */
	start();
	turn(2);
	look(7, 50);
	look(8, open("file", O_RDONLY));
	return 0;
}
