/* Calls of the 32-bit table made by 64-bit code: getppid (64 there, semget in the 64-bit one) and access (33). */
#include <stdio.h>
#include <sys/mman.h>
#include <string.h>
#include <unistd.h>

static long int80(long number, long first, long second)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(first), "c"(second)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

int main(void)
{
	char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int i;

	if (low == MAP_FAILED)
		return 1;
	strcpy(low, "/no/such/file");
	for (i = 0; i < 23; i++) {
		int80(64, 0, 0);
		int80(33, (long)low, 0);
	}
	return 0;
}
