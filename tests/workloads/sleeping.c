/*
 * Waits in known ways: 20 sleeps of 5 ms, a child that sends back each of 100 bytes, a lock that another thread holds for
 * 30 ms; then it runs for 100 ms.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLEEPS = 20, SLEEP_NS = 5000000, BYTES = 100, HOLD_NS = 30000000, RUN_NS = 100000000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int held[2];

static void pause_for(long ns)
{
	struct timespec time = {.tv_nsec = ns};

	nanosleep(&time, 0);
}

static void give(int descriptor)
{
	if (write(descriptor, "x", 1) != 1)
		abort();
}

static void take(int descriptor)
{
	char byte;

	if (read(descriptor, &byte, 1) != 1)
		abort();
}

static void send_and_return(void)
{
	int there[2], back[2];

	if (pipe(there) || pipe(back))
		abort();
	if (!fork()) {
		for (int i = 0; i < BYTES; i++) {
			take(there[0]);
			give(back[1]);
		}
		_exit(0);
	}
	for (int i = 0; i < BYTES; i++) {
		give(there[1]);
		take(back[0]);
	}
	wait(0);
}

static void *hold(void *unused)
{
	pthread_mutex_lock(&lock);
	give(held[1]);
	pause_for(HOLD_NS);
	pthread_mutex_unlock(&lock);
	return unused;
}

static void wait_for_lock(void)
{
	pthread_t holder;

	if (pipe(held) || pthread_create(&holder, 0, hold, 0))
		abort();
	take(held[0]);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	pthread_join(holder, 0);
}

static void run(void)
{
	long end = clock() + RUN_NS / 1000;

	while (clock() < end)
		for (volatile int i = 0; i < 100000; i++)
			;
}

int main(void)
{
	for (int i = 0; i < SLEEPS; i++)
		pause_for(SLEEP_NS);
	send_and_return();
	wait_for_lock();
	run();
	return 0;
}
