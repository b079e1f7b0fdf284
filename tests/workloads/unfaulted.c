/* Children execute a program whose path and arguments stand in pages that they have not touched. */
#include <sys/wait.h>
#include <unistd.h>

static const char path[4096] __attribute__((aligned(4096))) = "/bin/true";
static const char argument[4096] __attribute__((aligned(4096))) = "argument";

int main(void)
{
	int i;

	for (i = 0; i < 23; i++) {
		if (fork() == 0) {
			char *argv[] = {(char *)path, (char *)argument, 0};

			execv(path, argv);
			_exit(1);
		}
		wait(0);
	}
	return 0;
}
