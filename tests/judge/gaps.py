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
    "they are no system calls; when and how a process ended is in `processes`",
    "",
)
TEXTS = Gap(
    "rarer socket options in `call_text`",
    "the value is recorded and compared; the text of the whole call has its address",
    "",
)
PADDING = Gap(
    "padding",
    "bytes of a struct that mean nothing: nl_pad of a netlink address",
    "",
)
GAPS = (
    Gap(
        "contents of rarer calls",
        "they can be large, and are where secrets are; --data copies those of files, pipes and sockets alone",
        """getrandom.ubuf mq_timed*.u_msg_ptr mq_timedreceive.u_msg_prio msgsnd.msgp msgrcv.msgp io_* *getxattr*.value
        *setxattr*.value getxattrat.uargs setxattrat.uargs add_key._payload syslog.buf lookup_dcookie.buf""",
    ),
    Gap(
        "messages of netlink",
        "their bytes are recorded with --data; strace tells them member by member",
        "sendto.buff recvfrom.ubuf read.buf write.buf",
    ),
    Gap(
        "several messages of one call",
        "a call can have 1,024 of them, each with a name, buffers and control data of its own",
        "recvmmsg.mmsg sendmmsg.mmsg",
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
        "ids the kernel returns in memory",
        "they are the result of the call too, or arguments of later calls",
        "clone.parent_tidptr clone.child_tidptr timer_create.created_timer_id",
    ),
    Gap(
        "lengths of socket addresses",
        "the address is recorded as long as it is; the room that was offered for it is not",
        "accept*.upeer_addrlen getsockname.usockaddr_len getpeername.usockaddr_len recvfrom.addr_len",
    ),
    Gap("sizes of socket options", "the value is recorded as long as it is", "getsockopt.optlen"),
    Gap(
        "what comes with signals",
        "the signal is recorded; structs that are sent or received with it are not copied",
        """rt_sigreturn.* rt_sigtimedwait.uinfo rt_*queueinfo.* timer_create.timer_event_spec pidfd_send_signal.info
        pselect6.sig""",
    ),
    Gap(
        "times",
        "what is left of a sleep, and times of rarer calls",
        """nanosleep.rmtp clock_nanosleep.rmtp clock_adjtime.utx adjtimex.txc_p *timeofday.tz time.tloc
        io_getevents.timeout""",
    ),
    Gap(
        "names and options of rarer calls",
        "strings with a length, or of options that only some commands have; those of mount can hold passwords",
        "mount.data fsconfig._value fsconfig.aux mq_open.u_attr set*name.name init_module.umod prctl.*",
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
