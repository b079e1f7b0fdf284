/*
 * The first lab's server: it never gets past its start, because it waits for a configuration file that is not there.
 * Build as the lab does: gcc -g -fno-omit-frame-pointer -O0 server.c -o server
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define CONFIGURATION "/etc/tracing-server-example.conf"

static int load_configuration(const char *path)
{
	return open(path, O_RDONLY);
}

static int initialize_service(void)
{
	int configuration;

	while ((configuration = load_configuration(CONFIGURATION)) < 0)
		usleep(1);
	return configuration;
}

int main(void)
{
	printf("Server starting, pid %d\n", getpid());
	fflush(stdout);
	close(initialize_service());
	printf("Server ready\n");
	return 0;
}
