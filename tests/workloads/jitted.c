/*
 * Makes a function at run time, as a JIT compiler does, names it in a perf map, and has it open a missing file.
 *
 * usage: jitted     says "ready" and begins when a line comes on standard input; removes the map and ends.
 *
 * The code keeps frame pointers, so the kernel can walk: main -> call_it -> the made function.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* push rbp; mov rbp,rsp; mov eax,2 (open); syscall; pop rbp; ret */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xb8, 0x02, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x5d, 0xc3};

typedef long (*made_function)(const char *path, int flags);

static long call_it(made_function made)
{
	return made("/nonexistent/jitted", O_RDONLY);
}

int main(void)
{
	char map[64], line[16];
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file;

	memcpy(memory, code, sizeof(code));
	snprintf(map, sizeof(map), "/tmp/perf-%d.map", getpid());
	file = fopen(map, "w");
	fprintf(file, "%lx %zx JS:~readConfiguration /app/config.js:12:34\n", (unsigned long)memory, sizeof(code));
	fclose(file);
	printf("ready\n");
	fflush(stdout);
	if (read(0, line, sizeof(line)) <= 0)
		return 1;
	call_it((made_function)memory);
	unlink(map);
	return 0;
}
