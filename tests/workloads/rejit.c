/*
 * Makes two functions at the same address, one after the other, as a JIT compiler does that uses its memory again. Both
 * open a missing file; the perf map names each when it is made.
 *
 * usage: rejit CALLS    says "ready"; at each line on standard input makes the next function, calls it CALLS times, and
 * CALLS times more 300 ms later.
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

int main(int argc, char **argv)
{
	static const char *const names[] = {"first", "second", "third"};
	int calls = argc > 1 ? atoi(argv[1]) : 1;
	char map[64], path[64], line[16];
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file;
	int i, made;

	memcpy(memory, code, sizeof(code));
	snprintf(map, sizeof(map), "/tmp/perf-%d.map", getpid());
	file = fopen(map, "w");
	printf("ready\n");
	fflush(stdout);
	for (made = 0; made < 3 && read(0, line, sizeof(line)) > 0; made++) {
		fprintf(file, "%lx %zx JS:~%s /app/x.js:%d:1\n", (unsigned long)memory, sizeof(code), names[made],
			made + 1);
		fflush(file);
		snprintf(path, sizeof(path), "/nonexistent/%s", names[made]);
		for (i = 0; i < calls; i++)
			((made_function)memory)(path, O_RDONLY);
		usleep(300000);
		for (i = 0; i < calls; i++)
			((made_function)memory)(path, O_RDONLY);
		usleep(50000);
		printf("done\n");
		fflush(stdout);
	}
	unlink(map);
	return 0;
}
