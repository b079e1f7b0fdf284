"""What strace shows and a recording does not hold, with the reasons. ``docs/beside-strace.md`` lists it from here.

An argument is ``call.argument`` by the kernel's names; ``call.=`` is what strace shows behind a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Gap:
    """One kind of data: its title, why it is not recorded, and the arguments it is, as shell patterns."""

    title: str
    reason: str
    patterns: str

    @property
    def arguments(self) -> list[str]:
        """The patterns, one by one."""
        return self.patterns.split()

    def has(self, argument: str) -> bool:
        """Whether ``argument`` is of it."""
        return any(fnmatchcase(argument, pattern) for pattern in self.arguments)


NAMES = Gap(
    "names of numbers",
    "the number is recorded and is the same; the views of the calls have no text of it",
    "restart_syscall.*",
)
SIGNALS = Gap(
    "signals and exits",
    "they are no system calls; when a process ended is in `processes`, a command's exit status in the manifest",
    "",
)
TEXTS = Gap(
    "rarer structs in `call_text`",
    "the struct is recorded and compared; the text of the whole call has its address",
    "",
)
PADDING = Gap(
    "padding",
    "bytes of a struct that mean nothing: nl_pad of a netlink address",
    "",
)
GAPS = (
    Gap(
        "contents",
        "what is read, written, sent and received can be large, and is where passwords and customers' data are",
        """read.buf write.buf pread64.buf pwrite64.buf *readv.vec *writev.vec preadv2.vec pwritev2.vec recvfrom.ubuf
        sendto.buff recvmsg.msg sendmsg.msg recvmmsg.mmsg sendmmsg.mmsg getrandom.ubuf vmsplice.uiov process_vm_*
        mq_timed*.u_msg_ptr mq_timedreceive.u_msg_prio msgsnd.msgp msgrcv.msgp io_* *getxattr*.value *setxattr*.value
        getxattrat.uargs setxattrat.uargs add_key._payload syslog.buf lookup_dcookie.buf""",
    ),
    Gap(
        "environment",
        "environments hold secrets, and are much the same for all programs",
        "execve.envp execveat.envp",
    ),
    Gap(
        "entries of directories",
        "a listing can be large; which directory was read is told by the path it was opened with",
        "getdents.dirent getdents64.dirent *listxattr.list listxattrat.list",
    ),
    Gap(
        "facts about files and systems",
        "structs the kernel fills in: they say what is there, less what the program does",
        """*stat.statbuf newfstatat.statbuf statx.buffer statfs.buf fstatfs.buf ustat.ubuf uname.name sysinfo.info
        getrusage.ru wait4.ru waitid.ru times.tbuf getcpu.* mincore.vec cachestat.*
        file_getattr.ufattr statmount.* listmount.* lsm_* capget.* sched_getaffinity.* sched_getattr.uattr
        sched_getparam.param getres?id.* getgroups.grouplist get_mempolicy.*
        get_robust_list.* get_thread_area.*""",
    ),
    Gap(
        "strings the kernel returns",
        "they stand in memory when the call has ended; such data is copied for structs of fixed size alone",
        "getcwd.buf readlink.buf readlinkat.buf",
    ),
    Gap(
        "ids the kernel returns in memory",
        "they are the result of the call too, or arguments of later calls",
        "clone.parent_tidptr clone.child_tidptr timer_create.created_timer_id waitid.infop",
    ),
    Gap(
        "lengths of socket addresses",
        "the address is recorded as long as it is; the room that was offered for it is not",
        "accept*.upeer_addrlen getsockname.usockaddr_len getpeername.usockaddr_len recvfrom.addr_len",
    ),
    Gap("options of sockets", "the option is recorded, its value is not copied", "[gs]etsockopt.opt*"),
    Gap(
        "signal handlers and masks",
        "the signal is recorded; the structs behind the pointers are not copied",
        """rt_sigaction.* rt_sigprocmask.*set rt_sigsuspend.* rt_sigpending.* rt_sigreturn.* rt_sigtimedwait.u[it]*
        rt_*queueinfo.* timer_create.timer_event_spec sigaltstack.* signalfd*.user_mask pidfd_send_signal.info
        ppoll.sigmask epoll_pwait*.sigmask pselect6.sig""",
    ),
    Gap(
        "times",
        "what is left of a sleep, and times of rarer calls",
        """nanosleep.rmtp clock_nanosleep.rmtp clock_adjtime.utx adjtimex.txc_p *timeofday.tz time.tloc
        io_getevents.timeout""",
    ),
    Gap(
        "sets of descriptors that are waited for",
        "lists of any length; that one was ready is in the result",
        "poll.ufds ppoll.ufds select.inp select.outp select.exp pselect6.inp pselect6.outp pselect6.exp epoll_*.event*",
    ),
    Gap(
        "names of things that are no files",
        "only paths are copied",
        """*xattr.name *xattrat.name mount.type mount.data memfd_create.uname fsopen._fs_name fsconfig.* mq_open.u_*
        mq_unlink.u_name *_key._* set*name.name *init_module.* delete_module.name_user prctl.*""",
    ),
    Gap(
        "structs of rarer calls",
        "the pointer is recorded, the struct is not copied",
        """fcntl.arg ioctl.arg set_robust_list.head rseq.*
        futex_waitv.waiters futex_requeue.waiters sched_set*.* capset.* setgroups.grouplist bpf.uattr
        perf_event_open.attr_uptr seccomp.uargs landlock_*.* *_handle_at.handle name_to_handle_at.mnt_id mq_notify.*
        mq_getsetattr.* *semop.tsops
        semtimedop.tsops ???ctl.* move_pages.* mbind.nmask set_mempolicy.nmask migrate_pages.* splice.off_*
        copy_file_range.off_* sendfile*.offset mount_setattr.uattr open_tree_attr.uattr file_setattr.ufattr kexec_*
        quotactl*.addr arch_prctl.* modify_ldt.* set_thread_area.* ptrace.*""",
    ),
    Gap(
        "remarks on results",
        "what strace adds in brackets behind a result: ready descriptors, time left, names of flags",
        "*.=",
    ),
)


def gap_of(argument: str) -> str | None:
    """The title of the gap that ``argument`` is in, None where it is in none."""
    return next((gap.title for gap in (NAMES, *GAPS) if gap.has(argument)), None)


def documented() -> str:
    """The gaps as a Markdown table."""
    lines = ["| not recorded | reason | arguments |", "|---|---|---|"]
    for gap in (NAMES, SIGNALS, TEXTS, PADDING, *GAPS):
        arguments = ", ".join(f"`{argument}`" for argument in gap.arguments) or "-"
        lines.append(f"| {gap.title} | {gap.reason} | {arguments} |")
    return "\n".join(lines) + "\n"
