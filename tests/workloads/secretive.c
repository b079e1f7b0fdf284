// A program whose functions have names that are nobody's business; it fails to open a file, so that it has a stack.
#include <fcntl.h>
#include <unistd.h>

__attribute__((noinline)) int planted_function(void)
{
	return open("plantedinside", O_RDONLY);
}

int main(void)
{
	int fd = planted_function();
	return write(1, "plantedoutput\n", 14) == 14 && fd < 0 ? 0 : 1;
}
