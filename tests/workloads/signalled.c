/* Is given signals of every kind that a process can make for itself, and ends by one. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigjmp_buf jump;
static volatile sig_atomic_t got;

static void handler(int signal)
{
	got = signal;
}

static void fault(int signal)
{
	siglongjmp(jump, signal);
}

static void handle(int signal, void (*with)(int))
{
	struct sigaction action = {.sa_handler = with, .sa_flags = SA_NODEFER};

	sigaction(signal, &action, 0);
}

static void from_others(void)
{
	union sigval value = {.sival_int = 42};
	struct itimerval once = {.it_value = {.tv_usec = 10000}};
	struct itimerspec soon = {.it_value = {.tv_nsec = 5000000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	timer_t timer;

	kill(getpid(), SIGUSR1);
	raise(SIGUSR1);
	sigqueue(getpid(), SIGRTMIN, value);
	setitimer(ITIMER_REAL, &once, 0);
	pause();
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &soon, 0);
	pause();
}

static void from_children(void)
{
	pid_t child = fork();

	if (!child)
		_exit(7);
	while (wait(0) > 0)
		;
	child = fork();
	if (!child) {
		pause();
		_exit(1);
	}
	kill(child, SIGTERM);
	while (wait(0) > 0)
		;
}

static void from_faults(void)
{
	volatile int *const nowhere = (int *)0x1234, *const no_address = (int *)0x8000000000001234;

	if (!sigsetjmp(jump, 1))
		*nowhere = 1;
	if (!sigsetjmp(jump, 1))
		*no_address = 1;
	if (!sigsetjmp(jump, 1))
		__builtin_trap();
}

int main(void)
{
	handle(SIGUSR1, handler);
	handle(SIGALRM, handler);
	handle(SIGRTMIN, handler);
	handle(SIGCHLD, handler);
	handle(SIGSEGV, fault);
	handle(SIGILL, fault);
	from_others();
	from_children();
	from_faults();
	kill(getpid(), SIGTERM);
	return 0;
}
