/* A signal handler opens a file: once while code runs, once in a call that waits; then it returns. */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void handler(int signal)
{
	caught = open("/nonexistent/in-handler", O_RDONLY) < 0 ? signal : 0;
}

static void __attribute__((noinline)) run_here(void)
{
	while (!caught)
		;
	caught = 0;
}

static void __attribute__((noinline)) wait_here(void)
{
	while (!caught)
		pause();
}

int main(void)
{
	struct itimerval soon = {{0, 50000}, {0, 50000}};

	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &soon, 0);
	run_here();
	wait_here();
	return 0;
}
