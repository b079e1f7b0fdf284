/*
 * A signal handler opens a file: once while code runs, once in a call that waits; then it returns. A child sends the
 * signals when the parent is where it should be.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static volatile int *running;

static void handler(int signal)
{
	caught = open("/nonexistent/in-handler", O_RDONLY) < 0 ? signal : 0;
}

static void __attribute__((noinline)) run_here(void)
{
	*running = 1;
	while (!caught)
		;
	caught = 0;
}

static void __attribute__((noinline)) wait_here(void)
{
	while (!caught)
		pause();
}

static int is_in_pause(pid_t pid)
{
	char name[64], said[64] = "";
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/syscall", pid);
	file = fopen(name, "r");
	if (!file)
		exit(1);
	if (!fgets(said, sizeof(said), file))
		said[0] = 0;
	fclose(file);
	return said[0] != 'r' && atoi(said) == SYS_pause;
}

static void send_signals(pid_t parent)
{
	while (!*running)
		usleep(1000);
	kill(parent, SIGALRM);
	while (!is_in_pause(parent))
		usleep(1000);
	kill(parent, SIGALRM);
}

int main(void)
{
	pid_t parent = getpid(), child;

	running = mmap(NULL, sizeof(*running), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGALRM, handler);
	child = fork();
	if (!child) {
		send_signals(parent);
		_exit(0);
	}
	run_here();
	wait_here();
	waitpid(child, NULL, 0);
	return 0;
}
