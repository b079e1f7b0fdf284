/* Calls of the 32-bit table with what 32-bit programs point at, made by 64-bit code that has it in low memory. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

static long int80(long number, long first, long second, long third)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(first), "c"(second), "d"(third)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static uint32_t low(const void *pointer)
{
	return (uint32_t)(uintptr_t)pointer;
}

int main(void)
{
	struct memory {
		char path[32];
		char one[32];
		char two[32];
		int32_t time[2];
		uint32_t vector[3];
		uint32_t limits[2];
		struct {
			uint32_t base, length;
		} buffers[2];
	} *m = mmap(0, sizeof(*m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (m == MAP_FAILED)
		return 1;
	strcpy(m->path, "/no/such/program");
	strcpy(m->one, "one");
	strcpy(m->two, "two");
	m->time[1] = 1700000;
	m->vector[0] = low(m->one);
	m->vector[1] = low(m->two);
	m->limits[1] = ~0u;
	m->buffers[0].base = low(m->one);
	m->buffers[0].length = 3;
	m->buffers[1].base = low(m->two);
	m->buffers[1].length = 2;
	int80(162, low(m->time), 0, 0);		    /* nanosleep */
	int80(11, low(m->path), low(m->vector), 0); /* execve */
	int80(75, 4, low(m->limits), 0);	    /* setrlimit(RLIMIT_CORE) */
	int80(146, 1, low(m->buffers), 2);	    /* writev */
	return 0;
}
