"""The tables of a trace: their columns, SQL types and what each column means.

One description serves the writer (Arrow schemas, :mod:`bpfrec.formats.arrow`), the reader (DuckDB
views and column comments) and the format page of the docs.
"""

from __future__ import annotations

from bpfrec.formats.columns import Table, table
from bpfrec.formats.kernel.captures import MOST_WORDS

FORMAT_VERSION = 1
"""Raised when a reader of the previous version would answer wrongly; new columns and tables do not raise it."""

SYSCALLS = table(
    "syscalls",
    "One row per system call, about in the order in which the calls ended; calls that never ended stand last.",
    ("event_id", "BIGINT", "number of the row in this trace, from 0", "delta"),
    ("ts_ns", "BIGINT", "entry, ns on CLOCK_MONOTONIC of the recording host", "delta"),
    ("duration_ns", "BIGINT", "ns from entry to exit; NULL: never returned", "dictionary"),
    ("pid", "INTEGER", "process (thread group) id", "plain"),
    ("tid", "INTEGER", "thread id", "plain"),
    ("comm", "VARCHAR", "name of the thread at entry; NULL: not known", "codes"),
    ("uid", "INTEGER", "real user id; one of 2^31 and more is negative: uid & 4294967295", "plain"),
    ("cpu", "SMALLINT", "CPU on which the call ended", "plain"),
    ("abi", "VARCHAR", "x86_64, i386 or x32: which syscall table nr belongs to", "codes"),
    ("nr", "SMALLINT", "syscall number in that table; -1: out of range", "dictionary"),
    (
        "syscall",
        "VARCHAR",
        "name of the system call; unknown_N where the table has none, N the number as an int",
        "codes",
    ),
    ("arg0", "UBIGINT", "first argument, raw; NULL: the call has fewer", "dictionary"),
    ("arg1", "UBIGINT", "second argument, raw", "dictionary"),
    ("arg2", "UBIGINT", "third argument, raw", "dictionary"),
    ("arg3", "UBIGINT", "fourth argument, raw", "dictionary"),
    ("arg4", "UBIGINT", "fifth argument, raw", "dictionary"),
    ("arg5", "UBIGINT", "sixth argument, raw", "dictionary"),
    ("ret", "BIGINT", "return value, -errno on failure; NULL: never returned", "dictionary"),
    ("errno", "VARCHAR", "name of the error, as ENOENT; NULL: it worked, or never returned", "codes"),
    ("path", "VARCHAR", "first path argument as passed; bytes that are not UTF-8 as \\xNN", "dictionary"),
    ("path2", "VARCHAR", "second path argument as passed", "dictionary"),
    (
        "path_status",
        "VARCHAR",
        (
            "NULL: path is whole, or the call takes none; else null (NULL was passed), unreadable, truncated, "
            "not-utf8, lost (copied, then lost on the way), not-captured"
        ),
        "codes",
    ),
    ("path2_status", "VARCHAR", "the same for path2", "codes"),
    (
        "unfinished",
        "VARCHAR",
        "NULL: returned; thread-exited: the thread ended in the call; recording-stopped: still in it at the end",
        "codes",
    ),
    (
        "entry_status",
        "VARCHAR",
        (
            "NULL: the call was seen from its entry; before-recording: it was under way when recording began, and ts "
            "and duration_ns count from there; refused: a seccomp filter or a tracer refused it, and ts is when"
        ),
        "codes",
    ),
    ("stack_id", "BIGINT", "user stack of the call in frames and stacks; NULL: none was taken", "dictionary"),
    (
        "stack_status",
        "VARCHAR",
        (
            "NULL: stack_id names the stack, or none was asked for, or the call did not return; else why there is "
            "none: capped (too many new stacks came at once), lost (no room on the way), 32-bit (32-bit code made the "
            "call), changed (it looked like one seen before, but other code may have been mapped since)"
        ),
        "codes",
    ),
)

TIMESPECS = table(
    "timespecs",
    "struct timespec arguments: timeouts and times as they stood at entry, and times given back.",
    ("event_id", "BIGINT", "the call, in syscalls", "delta"),
    ("arg", "SMALLINT", "which argument, 0-5", "dictionary"),
    ("tv_sec", "BIGINT", "seconds; NULL: see status", "dictionary"),
    ("tv_nsec", "BIGINT", "nanoseconds; NULL: see status", "dictionary"),
    ("status", "VARCHAR", "NULL: read whole; else unreadable", "codes"),
)

STRUCTS = table(
    "structs",
    "Other structs that arguments point at: at entry, or as the kernel filled them in where the call worked.",
    ("event_id", "BIGINT", "the call, in syscalls", "delta"),
    ("arg", "SMALLINT", "which argument, 0-5", "dictionary"),
    ("kind", "VARCHAR", "which struct: rlimit, itimerspec, fds (pipe, socketpair), int (wait status) ...", "codes"),
    (
        "word0",
        "UBIGINT",
        "first 8 bytes, raw, 0 between members; NULL: the struct is shorter, or see status",
        "dictionary",
    ),
    ("word1", "UBIGINT", "next 8 bytes", "dictionary"),
    ("word2", "UBIGINT", "next 8 bytes", "dictionary"),
    ("word3", "UBIGINT", "next 8 bytes", "dictionary"),
    *((f"word{number}", "UBIGINT", "next 8 bytes", "dictionary") for number in range(4, MOST_WORDS)),
    ("status", "VARCHAR", "NULL: read whole; else unreadable, truncated, lost", "codes"),
)

SOCKADDRS = table(
    "sockaddrs",
    "Socket addresses: those passed at entry, or those that the kernel gave where the call worked.",
    ("event_id", "BIGINT", "the call, in syscalls", "delta"),
    ("arg", "SMALLINT", "which argument, 0-5", "dictionary"),
    ("family", "SMALLINT", "address family: 1 AF_UNIX, 2 AF_INET, 10 AF_INET6 ...", "dictionary"),
    (
        "address",
        "VARCHAR",
        "IP address; path of a unix socket, @NAME where it is abstract, '' where it has none; else bytes in hex",
        "dictionary",
    ),
    ("port", "INTEGER", "port; NULL: the family has none", "dictionary"),
    (
        "status",
        "VARCHAR",
        "NULL: read whole; not-utf8: address has bytes that are no text as \\xNN; else unreadable, truncated, lost",
        "codes",
    ),
    ("extra", "BIGINT", "flow information (AF_INET6), groups (AF_NETLINK); NULL: the family has none", "dictionary"),
)

ARRAYS = table(
    "arrays",
    (
        "Arrays that arguments point at, a row for each element, and one with its status alone where an array is not "
        "whole: buffers of vectors and messages, descriptors waited for, descriptors passed."
    ),
    ("event_id", "BIGINT", "the call, in syscalls", "delta"),
    ("arg", "SMALLINT", "which argument, 0-5", "dictionary"),
    (
        "kind",
        "VARCHAR",
        (
            "of what: iovec, pollfd, epoll_event, fd_set (64 descriptors in each word), scm_rights (descriptors passed "
            "with a message)"
        ),
        "codes",
    ),
    ("phase", "VARCHAR", "entry: as passed; exit: as given back by a call that worked", "codes"),
    ("position", "INTEGER", "place in the array, from 0", "dictionary"),
    (
        "word0",
        "UBIGINT",
        "iovec: address; pollfd, scm_rights: descriptor (32 bits); epoll_event: events; fd_set: bits of 64 descriptors",
        "dictionary",
    ),
    (
        "word1",
        "UBIGINT",
        "iovec: bytes; pollfd: events, and in the upper 16 of 32 bits revents; epoll_event: its data; else NULL",
        "dictionary",
    ),
    (
        "status",
        "VARCHAR",
        "NULL: an element; else why the rest, from position on, is missing: truncated, unreadable, lost",
        "codes",
    ),
)

STRINGS = table(
    "strings",
    "Strings that are no paths: names that calls take, and what readlink and getcwd gave back.",
    ("event_id", "BIGINT", "the call, in syscalls", "delta"),
    ("arg", "SMALLINT", "which argument, 0-5", "dictionary"),
    ("value", "VARCHAR", "the string; bytes that are not UTF-8 as \\xNN; NULL: see status", "dictionary"),
    ("status", "VARCHAR", "NULL: whole; else unreadable, truncated, not-utf8, lost", "codes"),
)

DATA = table(
    "data",
    "The first bytes of what was read, written, sent and received, where the recording was asked for them (--data).",
    ("event_id", "BIGINT", "the call, in syscalls", "delta"),
    ("arg", "SMALLINT", "which argument has the buffer, or the vector or message of buffers, 0-5", "dictionary"),
    ("bytes", "BLOB", "the bytes, of several buffers one behind the other; NULL: see status", "dictionary"),
    (
        "size",
        "BIGINT",
        "bytes that a buffer was passed with; where it was filled, or there are several, bytes that the call moved",
        "dictionary",
    ),
    ("status", "VARCHAR", "NULL: whole; else truncated (fewer than size), unreadable, lost", "codes"),
)

EXEC_ARGS = table(
    "exec_args",
    "The arguments (argv) of execve and execveat, of those that failed too; with --env their environments (envp).",
    ("event_id", "BIGINT", "the call, in syscalls", "delta"),
    ("arg", "SMALLINT", "which argument of the call, 0-5", "dictionary"),
    ("position", "INTEGER", "place in the vector, from 0", "dictionary"),
    ("value", "VARCHAR", "the string; bytes that are not UTF-8 as \\xNN; NULL: see status", "dictionary"),
    (
        "status",
        "VARCHAR",
        "NULL, not-utf8: a string; else why the rest of the vector is missing: truncated, unreadable",
        "codes",
    ),
)

STACKS = table(
    "stacks",
    "Distinct user stacks, per process and set of mappings, and kernel stacks of samples.",
    ("stack_id", "BIGINT", "number of the stack", "delta"),
    ("pid", "INTEGER", "process it was seen in; NULL: a kernel stack, in whichever", "dictionary"),
    ("ts_ns", "BIGINT", "entry of the first call, or first sample, it was seen at, ns on CLOCK_MONOTONIC", "delta"),
    ("depth", "INTEGER", "number of frames", "dictionary"),
    (
        "status",
        "VARCHAR",
        (
            "how unwinding ended: root (at the first function of the thread or program), stack-truncated (the rest of "
            "the stack was not copied), unreadable (what it needed was not in memory), no-unwind-info (no table covers "
            "the last frame), bad-unwind-info (its table is damaged, or its file cannot be read), no-frame-pointer "
            "(the last frame is JIT code that may keep no frame pointer), bad-return-address (what should be the next "
            "frame is not executable), stack-switched (the last frame is one of Go's that may have come from another "
            "stack), not-mapped (nothing executable is known where the call was made), loop (the stack leads back to "
            "itself), too-deep (more frames than are kept). With --stacks fp also no-frame-pointer (a frame pointer "
            "led nowhere) and error-N (the kernel could not walk it). Kernel stacks: root (the kernel was entered "
            "there), too-deep, error-N, no-kernel-symbols (they are hidden)"
        ),
        "dictionary",
    ),
)

FRAMES = table(
    "frames",
    "The frames of stacks, resolved when the recording was finished.",
    ("stack_id", "BIGINT", "the stack, in stacks", "delta"),
    ("depth", "INTEGER", "0 = innermost", "dictionary"),
    ("ip", "UBIGINT", "address in the process; a return address in frames other than 0", "dictionary"),
    ("symbol", "VARCHAR", "function; NULL: not known", "dictionary"),
    ("symbol_offset", "BIGINT", "bytes from the start of the function to ip", "dictionary"),
    (
        "module",
        "VARCHAR",
        (
            "file mapped there, [vdso], or perf-PID.map for JIT code; [kernel], or the kernel's module as [ext4]; "
            "NULL: nothing mapped"
        ),
        "dictionary",
    ),
    ("module_address", "UBIGINT", "the address as the ELF file numbers it (p_vaddr); NULL for JIT code", "dictionary"),
    ("build_id", "VARCHAR", "GNU build id of the module, hex", "dictionary"),
    (
        "file",
        "VARCHAR",
        "source file, as the compiler or the runtime named it; of code that was inlined, its own; NULL: not known",
        "dictionary",
    ),
    ("line", "INTEGER", "source line of the call; NULL: not known", "dictionary"),
    (
        "source",
        "VARCHAR",
        (
            "how the frame was found: ip (where the call was made, or the sample hit), cfi (unwind table), "
            "fp (frame pointer: a guess), kernel (the kernel's own walk)"
        ),
        "dictionary",
    ),
)

SAMPLES = table(
    "samples",
    "One row each time that a recorded thread was found running, at the frequency of record --profile, by time.",
    ("ts_ns", "BIGINT", "when, ns on CLOCK_MONOTONIC of the recording host", "delta"),
    ("pid", "INTEGER", "process (thread group) id", "dictionary"),
    ("tid", "INTEGER", "thread id", "dictionary"),
    ("comm", "VARCHAR", "name of the thread then", "codes"),
    ("uid", "INTEGER", "real user id; one of 2^31 and more is negative: uid & 4294967295", "dictionary"),
    ("cpu", "SMALLINT", "CPU on which it ran", "dictionary"),
    ("stack_id", "BIGINT", "user stack in frames and stacks; NULL: see stack_status", "dictionary"),
    (
        "kernel_stack_id",
        "BIGINT",
        "kernel stack in frames and stacks; NULL: it ran its own code, or none was asked for",
        "dictionary",
    ),
    (
        "stack_status",
        "VARCHAR",
        (
            "NULL: stack_id names the user stack, or none was asked for; else why there is none: kernel-thread, capped "
            "(more bytes of stacks than are copied), 32-bit (its code is 32-bit code), no-registers (the kernel does "
            "not say where it left its code)"
        ),
        "codes",
    ),
)

SCHED = table(
    "sched",
    (
        "One row for each time that a recorded thread was off its CPU (record --sched), about in the order in which "
        "these times ended, and one for the end of a thread."
    ),
    ("ts_ns", "BIGINT", "when it left its CPU, or ended, ns on CLOCK_MONOTONIC of the recording host", "delta"),
    (
        "duration_ns",
        "BIGINT",
        "ns until it ran again; NULL: it had not when recording stopped, or it ended",
        "plain",
    ),
    (
        "state",
        "VARCHAR",
        (
            "why: preempted (it could have run on), yielded (the same, in sched_yield), sleeping, uninterruptible, "
            "idle, stopped, traced, parked, frozen (it waited), exited (the thread ended), other"
        ),
        "codes",
    ),
    ("blocked_ns", "BIGINT", "ns until it was woken, 0 if it did not wait; NULL: not known", "plain"),
    ("wait_ns", "BIGINT", "ns that it then waited for a CPU; NULL: not known", "plain"),
    ("pid", "INTEGER", "process (thread group) id", "dictionary"),
    ("tid", "INTEGER", "thread id", "dictionary"),
    ("comm", "VARCHAR", "name of the thread then", "codes"),
    ("uid", "INTEGER", "real user id; one of 2^31 and more is negative: uid & 4294967295", "dictionary"),
    ("cpu", "SMALLINT", "CPU that it left", "dictionary"),
    ("next_cpu", "SMALLINT", "CPU on which it ran again; NULL: on none", "dictionary"),
    (
        "waker_pid",
        "INTEGER",
        "process that woke it, or in whose time an interrupt did; 0: an interrupt of an idle CPU; NULL: not woken",
        "dictionary",
    ),
    ("waker_tid", "INTEGER", "thread of that process", "dictionary"),
    ("syscall", "VARCHAR", "system call that it was in; NULL: in none that is recorded", "codes"),
    ("call_ns", "BIGINT", "ts_ns of that call in syscalls, for the same tid", "plain"),
    ("run_ns", "BIGINT", "ns that the thread had run since it was born, by then", "plain"),
    (
        "user_ns",
        "BIGINT",
        "ns of these in user code as the kernel counts them, by its timer tick on most systems",
        "plain",
    ),
    ("system_ns", "BIGINT", "ns of these in the kernel", "plain"),
    (
        "kernel_stack_id",
        "BIGINT",
        "where it waited: kernel stack in frames and stacks; NULL: none was asked for, or it did not wait long enough",
        "dictionary",
    ),
)

PROCESSES = table(
    "processes",
    "The processes recorded; a pid used twice has two rows.",
    ("pid", "INTEGER", "process (thread group) id", "plain"),
    ("ppid", "INTEGER", "parent when it was first seen", "plain"),
    ("start_ns", "BIGINT", "start, ns on CLOCK_MONOTONIC; NULL: before the recording", "plain"),
    ("end_ns", "BIGINT", "end, ns on CLOCK_MONOTONIC; NULL: outlived the recording", "plain"),
    ("comm", "VARCHAR", "last name of its main thread", "plain"),
    ("exe", "VARCHAR", "executable, where it could be read", "plain"),
    ("cmdline", "VARCHAR", "command line, quoted for a shell, where it could be read", "plain"),
    ("uid", "INTEGER", "real user id when it was first seen, unsigned: uid & 4294967295; NULL: not known", "plain"),
    ("ns_pid", "INTEGER", "its id in the innermost pid namespace it is in; NULL: not known", "plain"),
    ("pid_ns", "BIGINT", "inode number of that namespace, as in /proc/PID/ns/pid; NULL: not known", "plain"),
    (
        "exit_code",
        "INTEGER",
        "what it gave to exit; NULL: a signal ended it, it outlived the recording, or not known",
        "plain",
    ),
    ("signal", "INTEGER", "the signal that ended it; NULL: none, or not known", "plain"),
    ("cwd", "VARCHAR", "working directory at snapshot_ns; NULL: not known", "plain"),
    ("root", "VARCHAR", "root directory at snapshot_ns; NULL: not known", "plain"),
    (
        "snapshot_ns",
        "BIGINT",
        "when its open files were read from /proc, ns on CLOCK_MONOTONIC; NULL: never, as of those born later",
        "plain",
    ),
)

DESCRIPTORS = table(
    "descriptors",
    "What processes had open when they were read, soon after recording began; the calls tell of what changed.",
    ("pid", "INTEGER", "process id", "plain"),
    ("tid", "INTEGER", "thread that has a table of descriptors of its own; NULL: that of its process", "plain"),
    ("fd", "INTEGER", "number of the descriptor", "plain"),
    ("target", "VARCHAR", "file, as /proc/PID/fd names it: a path, socket:[INODE], pipe:[INODE] ...", "dictionary"),
    ("flags", "INTEGER", "open flags, O_CLOEXEC (02000000) among them; NULL: not readable", "plain"),
    ("ts_ns", "BIGINT", "when it was read, ns on CLOCK_MONOTONIC", "plain"),
    ("name", "VARCHAR", "of a socket: addresses, as TCP 10.0.0.1:80->10.0.0.2:5555 or unix:/path", "dictionary"),
)

URING_CLOSES = table(
    "uring_closes",
    "Descriptors that io_uring was asked to close: no system call tells of that.",
    ("ts_ns", "BIGINT", "when the request was made, ns on CLOCK_MONOTONIC", "delta"),
    ("pid", "INTEGER", "process id", "dictionary"),
    ("tid", "INTEGER", "thread that made the request, or the ring's own", "dictionary"),
    ("fd", "INTEGER", "number of the descriptor", "dictionary"),
)

URING = table(
    "uring",
    (
        "One row per completion of a request that a recorded thread made to io_uring: mostly one for each request, "
        "about in the order in which they completed; requests that are not completed stand last. The members of a "
        "request are described in io_uring_enter(2)."
    ),
    ("ts_ns", "BIGINT", "when it was submitted, ns on CLOCK_MONOTONIC of the recording host", "delta"),
    ("duration_ns", "BIGINT", "ns until it was completed; NULL: see status", "plain"),
    ("op", "VARCHAR", "what was asked for: IORING_OP_ without its beginning, as openat; NULL: not known", "codes"),
    (
        "fd",
        "INTEGER",
        "member fd: the descriptor, or for most requests with a path where it starts; NULL: see slot and status",
        "dictionary",
    ),
    ("slot", "INTEGER", "number among the files that were registered with the ring, in place of fd", "dictionary"),
    ("ret", "BIGINT", "result, -errno on failure; NULL: not completed", "dictionary"),
    ("errno", "VARCHAR", "name of the error, as ENOENT; NULL: it worked, or is not completed", "codes"),
    ("path", "VARCHAR", "first path as passed; bytes that are not UTF-8 as \\xNN", "dictionary"),
    ("path2", "VARCHAR", "second path as passed", "dictionary"),
    (
        "path_status",
        "VARCHAR",
        "NULL: path is whole, or the request takes none; else unreadable, truncated (to 255 bytes), not-utf8, lost",
        "codes",
    ),
    ("path2_status", "VARCHAR", "the same for path2", "codes"),
    ("pid", "INTEGER", "process (thread group) id", "dictionary"),
    ("tid", "INTEGER", "thread that submitted it: one of the kernel's where that polls the ring", "dictionary"),
    ("comm", "VARCHAR", "name of the thread then", "codes"),
    ("uid", "INTEGER", "real user id; one of 2^31 and more is negative: uid & 4294967295", "dictionary"),
    (
        "status",
        "VARCHAR",
        (
            "NULL: all is known; in-progress: not completed when recording stopped; untold: it ended without a "
            "completion, as IOSQE_CQE_SKIP_SUCCESS asks for; refused: the kernel did not take it; before-recording: "
            "its submission was not seen, and ts is when it completed; no-request: a completion without a known "
            "request, such as a message from another ring; unread: what was asked was overwritten too soon to be read"
        ),
        "codes",
    ),
    (
        "done_by",
        "VARCHAR",
        "worker: a thread of the kernel took it over; poller: a thread of the kernel polls the ring; NULL: neither",
        "codes",
    ),
    ("offset", "UBIGINT", "member off, or addr2: place in the file, second address or length", "dictionary"),
    ("address", "UBIGINT", "member addr: address of buffer or path", "dictionary"),
    ("len", "BIGINT", "member len: size of the buffer, number of vectors, mode, second directory", "dictionary"),
    ("op_flags", "BIGINT", "flags of the operation, as O_CLOEXEC or MSG_DONTWAIT", "dictionary"),
    ("entry_flags", "INTEGER", "flags of the request: IOSQE_...", "dictionary"),
    ("ioprio", "INTEGER", "member ioprio: priority, or flags of send, recv, accept", "dictionary"),
    (
        "file_index",
        "INTEGER",
        "member file_index: slot from 1 that a new file is put into; descriptor that splice reads; 0: none",
        "dictionary",
    ),
    ("user_data", "UBIGINT", "the program's own number for it", "dictionary"),
    ("cqe_flags", "BIGINT", "flags of the completion: IORING_CQE_F_...; 2: more completions follow", "dictionary"),
    ("call_ns", "BIGINT", "ts_ns in syscalls of the call that submitted it, for the same tid; NULL: none", "plain"),
)

SIGNALS = table(
    "signals",
    (
        "One row each time that a recorded thread was given a signal: what its siginfo says, see sigaction(2). One "
        "that ends a process has a row of one of its threads."
    ),
    ("ts_ns", "BIGINT", "when, ns on CLOCK_MONOTONIC of the recording host", "delta"),
    ("pid", "INTEGER", "process (thread group) id of the thread that got it", "dictionary"),
    ("tid", "INTEGER", "thread that got it", "dictionary"),
    ("comm", "VARCHAR", "name of the thread then", "codes"),
    ("uid", "INTEGER", "real user id; one of 2^31 and more is negative: uid & 4294967295", "dictionary"),
    ("signal", "INTEGER", "number of the signal", "dictionary"),
    (
        "code",
        "INTEGER",
        "si_code: why it was sent; NULL: the kernel does not say",
        "dictionary",
    ),
    ("error", "INTEGER", "si_errno; NULL: 0", "dictionary"),
    (
        "sender_pid",
        "INTEGER",
        "si_pid: process that sent it, or child that it is about, in the receiver's pid namespace",
        "dictionary",
    ),
    ("sender_uid", "INTEGER", "si_uid: real user id of that process, as uid", "dictionary"),
    ("status", "INTEGER", "si_status of SIGCHLD: exit status of the child, or signal", "dictionary"),
    ("user_ticks", "BIGINT", "si_utime of SIGCHLD: user time of the child in clock ticks", "dictionary"),
    ("system_ticks", "BIGINT", "si_stime of SIGCHLD: system time of the child in clock ticks", "dictionary"),
    (
        "address",
        "UBIGINT",
        "si_addr of a fault: the address it is about; si_call_addr of SIGSYS: where the call was made",
        "dictionary",
    ),
    ("value", "UBIGINT", "si_ptr: what sigqueue(3), a timer or a message queue sent with it", "dictionary"),
    ("timer", "INTEGER", "si_timerid of a timer's signal", "dictionary"),
    ("overrun", "INTEGER", "si_overrun of a timer's signal: how often it ran out besides", "dictionary"),
    ("band", "BIGINT", "si_band of SIGPOLL: events as poll(2) has them", "dictionary"),
    ("fd", "INTEGER", "si_fd of SIGPOLL", "dictionary"),
    ("nr", "INTEGER", "si_syscall of SIGSYS: number of the call that was refused", "dictionary"),
    ("arch", "BIGINT", "si_arch of SIGSYS: AUDIT_ARCH of that call", "dictionary"),
    ("action", "VARCHAR", "what happens: handler (it is called), default, ignored", "codes"),
    ("handler", "UBIGINT", "address of the handler; NULL: there is none", "dictionary"),
)

THREAD_TABLES = table(
    "thread_tables",
    (
        "Threads that did not share descriptors, or working directory and root, with their process's main thread, and "
        "main threads that shared them with another process, when they were read, soon after recording began."
    ),
    ("pid", "INTEGER", "process id", "plain"),
    ("tid", "INTEGER", "thread id", "plain"),
    (
        "files_tid",
        "INTEGER",
        "thread whose descriptors it had: itself, or the first thread read that had them",
        "plain",
    ),
    ("directories_tid", "INTEGER", "the same for the working directory and the root", "plain"),
    ("cwd", "VARCHAR", "its working directory; NULL: not known", "plain"),
    ("root", "VARCHAR", "its root directory; NULL: not known", "plain"),
    ("snapshot_ns", "BIGINT", "when it was read, ns on CLOCK_MONOTONIC", "plain"),
)

THREADS = table(
    "threads",
    "The names of the threads recorded: one row per thread and name it had.",
    ("tid", "INTEGER", "thread id", "plain"),
    ("pid", "INTEGER", "its process", "plain"),
    ("comm", "VARCHAR", "name in that time", "plain"),
    ("start_ns", "BIGINT", "since when, ns on CLOCK_MONOTONIC; NULL: before the recording", "plain"),
    ("end_ns", "BIGINT", "until when (renamed or ended); NULL: outlived the recording", "plain"),
)

MAPPINGS = table(
    "mappings",
    "Executable mappings of the processes recorded.",
    ("pid", "INTEGER", "process id", "plain"),
    ("start_addr", "UBIGINT", "first address", "plain"),
    ("end_addr", "UBIGINT", "address behind the last", "plain"),
    ("file_offset", "UBIGINT", "offset of start_addr in the file, bytes", "plain"),
    ("path", "VARCHAR", "file as the process sees it; [vdso], //anon ... where there is none", "plain"),
    ("device", "VARCHAR", "major:minor, hex", "plain"),
    ("inode", "BIGINT", "inode number of the file", "plain"),
    ("build_id", "VARCHAR", "GNU build id, hex; NULL: none or not readable", "plain"),
    ("start_ns", "BIGINT", "mapped at, ns on CLOCK_MONOTONIC; NULL: before the recording", "plain"),
)

JIT_SYMBOLS = table(
    "jit_symbols",
    "Entries of perf-PID.map files that recorded frames fall in.",
    ("pid", "INTEGER", "process id", "plain"),
    ("address", "UBIGINT", "first address of the code", "plain"),
    ("size", "BIGINT", "its length, bytes", "plain"),
    ("name", "VARCHAR", "name as the runtime wrote it", "plain"),
)

BINARIES = table(
    "binaries",
    "Files that the recorded processes executed code from, where the recording was asked for them (--save-binaries).",
    ("binary_id", "INTEGER", "number of the file", "plain"),
    ("path", "VARCHAR", "its name as one process saw it; [vdso]", "plain"),
    ("build_id", "VARCHAR", "GNU build id, hex; NULL: none", "plain"),
    ("sha256", "VARCHAR", "SHA-256 of its content, hex; NULL: see status", "plain"),
    ("size", "BIGINT", "its length, bytes", "plain"),
    (
        "status",
        "VARCHAR",
        (
            "NULL: it is in binary_parts; same-as-N: as the binary of that number; else why not: too-large (for all "
            "that is saved), unreadable, changed (it was written to meanwhile)"
        ),
        "plain",
    ),
)

BINARY_PARTS = table(
    "binary_parts",
    "The contents of those files, in order.",
    ("binary_id", "INTEGER", "the file, in binaries", "plain"),
    ("position", "BIGINT", "offset of the part in the file, bytes", "plain"),
    ("bytes", "BLOB", "at most a MiB of it", "plain"),
)

LOSSES = table(
    "losses",
    "What the trace lacks; empty when all is well.",
    ("kind", "VARCHAR", "what happened: ring-full, thread-table-full, side-band-full ...", "plain"),
    ("severity", "VARCHAR", "data_loss: events are missing; notice: less than that", "plain"),
    ("cpu", "SMALLINT", "CPU it happened on; NULL: not tied to one", "plain"),
    ("ts_ns", "BIGINT", "entry of the first that is missing, ns on CLOCK_MONOTONIC; NULL: not known", "plain"),
    ("count", "BIGINT", "how many", "plain"),
    ("remedy", "VARCHAR", "what would have kept them", "plain"),
    ("until_ns", "BIGINT", "entry of the last that is missing, ns on CLOCK_MONOTONIC; NULL: not known", "plain"),
    ("pid", "INTEGER", "process whose calls they are; NULL: not known", "plain"),
    ("tid", "INTEGER", "thread whose calls they are; NULL: not known", "plain"),
)

LOG_LINES = table(
    "log_lines",
    "Lines of an imported log that were not understood.",
    ("line", "BIGINT", "number of the line, from 1", "delta"),
    ("text", "VARCHAR", "the line; bytes that are not UTF-8 as \\xNN", "plain"),
)

TABLES: tuple[Table, ...] = (
    SYSCALLS,
    TIMESPECS,
    STRUCTS,
    SOCKADDRS,
    ARRAYS,
    STRINGS,
    DATA,
    EXEC_ARGS,
    STACKS,
    FRAMES,
    SAMPLES,
    SCHED,
    PROCESSES,
    DESCRIPTORS,
    URING_CLOSES,
    URING,
    SIGNALS,
    THREAD_TABLES,
    THREADS,
    MAPPINGS,
    JIT_SYMBOLS,
    BINARIES,
    BINARY_PARTS,
    LOG_LINES,
    LOSSES,
)
"""Every table of a trace. The file holds them in this order, but for the losses, which come first."""
