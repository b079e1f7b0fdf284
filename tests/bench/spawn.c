/*
 * Runs a command and says what it took: itself and the children it waited for.
 *
 * usage: spawn CONTROL RESULT COMMAND ARG...     see held.h; writes the pid of COMMAND before the result,
 * and ends with its status as a shell gives it
 *
 * Small, because the peak memory that the kernel reports for a command counts that of the process it was forked from.
 */
#include <sys/wait.h>

#include "held.h"

int main(int argc, char **argv)
{
	struct rusage usage;
	long long begin;
	struct held held;
	int status;
	pid_t pid;

	if (argc < 4)
		return 2;
	held = held_from(argv);
	held_wait(held);
	begin = now_ns();
	pid = fork();
	if (pid == 0) {
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	dprintf(held.result, "%d\n", pid);
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 1;
	held_report(held, begin, now_ns(), &usage);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
