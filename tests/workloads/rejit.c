/*
 * Makes functions at the same address, one after the other, as a JIT compiler does that uses its memory again. Each opens a
 * missing file; the perf map names each when it is made.
 *
 * usage: rejit CALLS    says "ready". At each line on standard input it does the next thing, says "done", and waits: it
 * makes a function, names it and calls it CALLS times; then it calls it CALLS times more, and names something else.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* push rbp; mov rbp,rsp; mov eax,2 (open); syscall; pop rbp; ret */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xb8, 0x02, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x5d, 0xc3};

typedef long (*made_function)(const char *path, int flags);

static int waits_for_line(void)
{
	char line[16];

	return read(0, line, sizeof(line)) > 0;
}

static void call(void *made, const char *path, int times)
{
	while (times--)
		((made_function)made)(path, O_RDONLY);
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"first", "second", "third"};
	int calls = argc > 1 ? atoi(argv[1]) : 1;
	char map[64], path[64];
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file;
	int made;

	memcpy(memory, code, sizeof(code));
	snprintf(map, sizeof(map), "/tmp/perf-%d.map", getpid());
	file = fopen(map, "w");
	say("ready");
	for (made = 0; made < 3 && waits_for_line(); made++) {
		fprintf(file, "%lx %zx JS:~%s /app/x.js:%d:1\n", (unsigned long)memory, sizeof(code), names[made],
			made + 1);
		fflush(file);
		snprintf(path, sizeof(path), "/nonexistent/%s", names[made]);
		call(memory, path, calls);
		say("done");
		if (!waits_for_line())
			break;
		call(memory, path, calls);
		fprintf(file, "%lx 1 never-called\n", (unsigned long)memory + 256 * (made + 1));
		fflush(file);
		say("done");
	}
	if (!waits_for_line())
		return 1;
	unlink(map);
	return 0;
}
