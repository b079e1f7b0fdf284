/* Known numbers of requests to io_uring, of all kinds of endings. Usage: rings FOLDER NOPS [poll]; "poll": the ring has a
 * thread of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
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

static void submit(struct io_uring_sqe entry)
{
	unsigned tail = *word(setup.sq_off.tail), mask = *word(setup.sq_off.ring_mask);

	entries[tail & mask] = entry;
	word(setup.sq_off.array)[tail & mask] = tail & mask;
	__atomic_store_n(word(setup.sq_off.tail), tail + 1, __ATOMIC_SEQ_CST);
	if (!(setup.flags & IORING_SETUP_SQPOLL))
		syscall(SYS_io_uring_enter, ring, 1, 0, 0, 0, 0);
	while (__atomic_load_n(word(setup.sq_off.head), __ATOMIC_SEQ_CST) == tail) {
		if (__atomic_load_n(word(setup.sq_off.flags), __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
			syscall(SYS_io_uring_enter, ring, 0, 0, IORING_ENTER_SQ_WAKEUP, 0, 0);
		usleep(1000);
	}
}

static int completed(void)
{
	unsigned head = *word(setup.cq_off.head);
	int result;

	while (__atomic_load_n(word(setup.cq_off.tail), __ATOMIC_SEQ_CST) == head)
		syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS, 0, 0);
	result = ((struct io_uring_cqe *)(rings + setup.cq_off.cqes))[head & *word(setup.cq_off.ring_mask)].res;
	__atomic_store_n(word(setup.cq_off.head), head + 1, __ATOMIC_SEQ_CST);
	return result;
}

static int ask(struct io_uring_sqe entry)
{
	submit(entry);
	return completed();
}

#define PATH(path) (unsigned long)(path)
#define OPEN(path, how)                                                                                                \
	{                                                                                                              \
		.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = PATH(path), .len = 0600, .open_flags = (how)       \
	}

int main(int argc, char **argv)
{
	char bytes[64] = "seventeen bytes..";
	int nops, fd, ends[2], sockets[2], files[1];
	size_t size;

	if (argc < 3 || chdir(argv[1]))
		return 1;
	nops = atoi(argv[2]);
	if (argc > 3) {
		setup.flags = IORING_SETUP_SQPOLL;
		setup.sq_thread_idle = 60000;
	}
	ring = syscall(SYS_io_uring_setup, 8, &setup);
	if (ring < 0 || !(setup.features & IORING_FEAT_SINGLE_MMAP))
		return 2;
	size = setup.cq_off.cqes + setup.cq_entries * sizeof(struct io_uring_cqe);
	rings = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	size = setup.sq_entries * sizeof(struct io_uring_sqe);
	entries = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	for (int i = 0; i < nops; i++)
		ask((struct io_uring_sqe){.opcode = IORING_OP_NOP, .user_data = i});
	fd = ask((struct io_uring_sqe)OPEN("made", O_CREAT | O_RDWR));
	if (fd < 0)
		return 3;
	for (int i = 0; i < 10; i++)
		ask((struct io_uring_sqe){
		    .opcode = IORING_OP_WRITE, .fd = fd, .addr = PATH(bytes), .len = 17, .off = 17 * i});
	for (int i = 0; i < 5; i++)
		ask((struct io_uring_sqe){
		    .opcode = IORING_OP_READ, .fd = fd, .addr = PATH(bytes), .len = 34, .off = 0});
	/* Done by a thread of the kernel. */
	ask((struct io_uring_sqe){.opcode = IORING_OP_FSYNC, .fd = fd, .flags = IOSQE_ASYNC});
	files[0] = fd;
	syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, files, 1);
	ask((struct io_uring_sqe){
	    .opcode = IORING_OP_READ, .fd = 0, .flags = IOSQE_FIXED_FILE, .addr = PATH(bytes), .len = 1});
	ask((struct io_uring_sqe){.opcode = IORING_OP_CLOSE, .fd = fd});
	ask((struct io_uring_sqe){.opcode = IORING_OP_RENAMEAT,
				  .fd = AT_FDCWD,
				  .addr = PATH("made"),
				  .len = AT_FDCWD,
				  .addr2 = PATH("moved")});
	ask((struct io_uring_sqe)OPEN("/none/such", O_RDONLY));
	ask((struct io_uring_sqe){.opcode = 255});
	/* Its end is told to nobody. */
	submit((struct io_uring_sqe){.opcode = IORING_OP_NOP, .flags = IOSQE_CQE_SKIP_SUCCESS, .user_data = 77});
	/* Two completions of one request, and the end of that. */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) || pipe(ends))
		return 4;
	submit((struct io_uring_sqe){.opcode = IORING_OP_POLL_ADD,
				     .fd = sockets[0],
				     .poll32_events = POLLIN,
				     .len = IORING_POLL_ADD_MULTI,
				     .user_data = 88});
	for (int i = 0; i < 2; i++) {
		if (write(sockets[1], bytes, 1) != 1)
			return 5;
		completed();
		if (read(sockets[0], bytes, 1) != 1)
			return 6;
	}
	submit((struct io_uring_sqe){.opcode = IORING_OP_ASYNC_CANCEL, .addr = 88, .user_data = 89});
	completed();
	completed();
	/* In progress to the end, or to that of the process. */
	submit((struct io_uring_sqe){
	    .opcode = IORING_OP_READ, .fd = ends[0], .addr = PATH(bytes), .len = 1, .user_data = 1099});
	printf("done\n");
	fflush(stdout);
	if (argc > 4)
		pause();
	return 0;
}
