/*
 * A server with a pool of threads, and its clients: `requests N` answers N requests over the loopback. One thread accepts
 * and hands connections to the workers through a queue, so that there are contended locks, waits and wakeups.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 4, CLIENTS = 2, ROOM = 16 };

static struct sockaddr_in address = {.sin_family = AF_INET};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int queue[ROOM], queued, done;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *work(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	while (queued || !done) {
		char request[64];
		int connection;
		ssize_t size;

		if (!queued) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		connection = queue[--queued];
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		size = recv(connection, request, sizeof(request), 0);
		if (size <= 0 || send(connection, request, size, MSG_NOSIGNAL) != size)
			fail("answer");
		close(connection);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

static void *ask(void *requests)
{
	for (int i = 0; i < *(int *)requests; i++) {
		char answer[64];
		int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(connection, (struct sockaddr *)&address, sizeof(address)))
			fail("connect");
		if (write(connection, "request", 7) != 7 || read(connection, answer, sizeof(answer)) != 7 ||
		    memcmp(answer, "request", 7))
			fail("ask");
		close(connection);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int requests = argc > 1 ? atoi(argv[1]) : 100;
	int each = requests / CLIENTS;
	pthread_t threads[WORKERS + CLIENTS];
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, ROOM) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		fail("listen");
	for (int i = 0; i < WORKERS + CLIENTS; i++)
		if (pthread_create(&threads[i], 0, i < WORKERS ? work : ask, &each))
			fail("thread");
	for (int i = 0; i < each * CLIENTS; i++) {
		int connection = accept4(listener, 0, 0, SOCK_CLOEXEC);

		if (connection < 0)
			fail("accept");
		pthread_mutex_lock(&lock);
		while (queued == ROOM)
			pthread_cond_wait(&changed, &lock);
		queue[queued++] = connection;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	done = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < WORKERS + CLIENTS; i++)
		pthread_join(threads[i], 0);
	return 0;
}
