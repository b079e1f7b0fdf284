/* Children execute things in every way, with paths and arguments in pages that they have not touched. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE static const char __attribute__((aligned(4096)))
PAGE script[4096] = "script";
PAGE no_interpreter[4096] = "no-interpreter";
PAGE no_program[4096] = "no-program";
PAGE truth[4096] = "true";
PAGE empty[4096] = "";
PAGE one[4096] = "one";
PAGE two[4096] = "two";

static void run(int how, int bin, int program)
{
	char *arguments[] = {(char *)one, (char *)two, 0};

	switch (how) {
	case 0:
		syscall(SYS_execve, script, arguments, environ);
		return;
	case 1:
		syscall(SYS_execve, no_interpreter, arguments, environ);
		return;
	case 2:
		syscall(SYS_execve, no_program, arguments, environ);
		return;
	case 3:
		syscall(SYS_execveat, bin, truth, arguments, environ, 0);
		return;
	case 4:
		syscall(SYS_execveat, program, empty, arguments, environ, AT_EMPTY_PATH);
		return;
	}
}

int main(int argc, char **argv)
{
	int bin = open("/bin", O_PATH), program = open("/bin/true", O_RDONLY), how;

	if (argc != 2 || chdir(argv[1]))
		return 1;
	for (how = 0; how < 5; how++) {
		if (fork() == 0) {
			run(how, bin, program);
			_exit(1);
		}
		wait(0);
	}
	return 0;
}
