/*
 * Maps segments of 4 KiB to 32 KiB in steps of 4 KiB, three of four shared and one private, ROUNDS times over.
 *
 * usage: mapit ROUNDS
 */
#include <stdlib.h>
#include <sys/mman.h>

#define STEP 4096
#define SIZES 8

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;
	int i, size, kind;
	void *segment;

	for (i = 0; i < 4 * rounds; i++) {
		kind = i % 4 ? MAP_SHARED : MAP_PRIVATE;
		for (size = STEP; size <= SIZES * STEP; size += STEP) {
			segment = mmap(NULL, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
			if (segment == MAP_FAILED)
				return 1;
			munmap(segment, size);
		}
	}
	return 0;
}
