/*
 * Opens missing files from functions of a program, of the library that it is linked to, and of one that it loads.
 *
 * usage: opener [-w] [LIBRARY]...     loads each library in turn, calls its library_open and unloads it. -w: waits for
 * a character on standard input.
 * Compile with -DLIBRARY=NAME -shared for such a library: its functions are NAME_inner, which is static, and library_open.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#ifdef LIBRARY
#define JOINED(a, b) a##b
#define INNER(a) JOINED(a, _inner)
#define TEXT(a) #a
#define PATH(a) "/nonexistent/" TEXT(a)

__attribute__((noinline)) static int INNER(LIBRARY)(void)
{
	int result = open(PATH(LIBRARY), O_RDONLY);

	__asm__ volatile("");
	return result;
}

int library_open(void)
{
	int result = INNER(LIBRARY)();

	__asm__ volatile("");
	return result;
}
#else
__attribute__((noinline)) static int own_inner(void)
{
	int result = open("/nonexistent/own", O_RDONLY);

	__asm__ volatile("");
	return result;
}

int main(int argc, char **argv)
{
	int result = own_inner(), i;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			getchar();
			continue;
		}
		void *library = dlopen(argv[i], RTLD_NOW);
		int (*function)(void) = library ? (int (*)(void))dlsym(library, "library_open") : NULL;

		if (!function) {
			fprintf(stderr, "%s: %s\n", argv[i], dlerror());
			return 1;
		}
		result += function();
		dlclose(library);
	}
	return result > 0;
}
#endif
