/* A descriptor is closed and its number taken again, both by io_uring; "poll": the ring has a thread of its own. Prints what
 * the kernel calls each descriptor: "NUMBER NAME", beside an lseek(fd, NUMBER, 99) and a read of it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct io_uring_params setup;
static char *rings;
static struct io_uring_sqe *entries;
static int ring;

static unsigned *word(unsigned offset)
{
	return (unsigned *)(rings + offset);
}

static int submit(struct io_uring_sqe entry)
{
	unsigned tail = *word(setup.sq_off.tail), mask = *word(setup.sq_off.ring_mask), head = *word(setup.cq_off.head);
	int result;

	entries[tail & mask] = entry;
	word(setup.sq_off.array)[tail & mask] = tail & mask;
	__atomic_store_n(word(setup.sq_off.tail), tail + 1, __ATOMIC_SEQ_CST);
	if (!(setup.flags & IORING_SETUP_SQPOLL))
		syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
	while (__atomic_load_n(word(setup.cq_off.tail), __ATOMIC_SEQ_CST) == head) {
		/* The ring's thread sleeps at once if it finds nothing when it starts, whatever sq_thread_idle says. */
		if (__atomic_load_n(word(setup.sq_off.flags), __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
			syscall(SYS_io_uring_enter, ring, 1, 0, IORING_ENTER_SQ_WAKEUP, 0, 0);
		usleep(1000);
	}
	result = ((struct io_uring_cqe *)(rings + setup.cq_off.cqes))[head & *word(setup.cq_off.ring_mask)].res;
	__atomic_store_n(word(setup.cq_off.head), head + 1, __ATOMIC_SEQ_CST);
	return result;
}

static int open_by_ring(const char *path)
{
	return submit((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)path});
}

static void look(int number, int fd)
{
	char link[64], name[4096], c;
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, name, sizeof(name) - 1);
	name[length < 0 ? 0 : length] = 0;
	syscall(SYS_lseek, fd, (long)number, 99);
	length = read(fd, &c, 1);
	printf("%d %s\n", number, length < 0 ? "NULL" : name);
}

int main(int argc, char **argv)
{
	size_t bytes;
	int fd, other;

	if (argc > 1 && !strcmp(argv[1], "poll")) {
		setup.flags = IORING_SETUP_SQPOLL;
		setup.sq_thread_idle = 60000;
	}
	ring = syscall(SYS_io_uring_setup, 8, &setup);
	if (ring < 0 || !(setup.features & IORING_FEAT_SINGLE_MMAP))
		return 2;
	bytes = setup.cq_off.cqes + setup.cq_entries * sizeof(struct io_uring_cqe);
	rings = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	bytes = setup.sq_entries * sizeof(struct io_uring_sqe);
	entries = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	fd = open("/etc/passwd", O_RDONLY);
	other = open("/etc/hostname", O_RDONLY);
	look(1, fd);
	submit((struct io_uring_sqe){.opcode = IORING_OP_CLOSE, .fd = fd});
	look(2, fd);
	if (open_by_ring("/etc/group") != fd)
		return 3;
	look(3, fd);
	look(4, other);
	close(fd);
	if (open("/etc/hosts", O_RDONLY) != fd)
		return 4;
	look(5, fd);
	return 0;
}
