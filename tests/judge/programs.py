"""The programs that the judge runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WORKLOADS = Path(__file__).parents[1] / "workloads"


@dataclass(frozen=True)
class Program:
    """A command. It runs in ``cwd``, or in a folder of its own that the ``prepare`` commands fill.

    ``repeats``: it makes the same calls in every run, so that two runs can be compared. ``may_fail``: its exit status
    does not matter.
    """

    name: str
    command: Sequence[str]
    prepare: Sequence[Sequence[str]] = ()
    repeats: bool = False
    may_fail: bool = False
    cwd: Path | None = None


def compiled(workload: str) -> list[str]:
    """Returns the command that compiles a program of ``tests/workloads``."""
    return ["gcc", "-pthread", str(WORKLOADS / f"{workload}.c"), "-o", workload]


HELLO = r"""printf '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n' > hello.c"""
GIT = """git init -q . && echo hello > hello.txt && git add hello.txt &&
git -c user.name=a -c user.email=a@example.org commit -qm hello && git --no-pager log"""
TREE = """mkdir -p a/b/c 'd e' && echo 1 > a/1 && echo 2 > a/b/2 && echo 3 > 'd e/3\n' &&
ln -s ../a a/b/c/link && ln a/1 a/one"""
PYTHON = """
import json, pathlib, sqlite3, ssl, subprocess, threading
assert subprocess.run(['true']).returncode == 0
thread = threading.Thread(target=pathlib.Path('made').write_text, args=(json.dumps({'a': 1}),))
thread.start()
thread.join()
"""
STRUCTS = r"""
import os, resource, select, signal, socket, time
a = socket.create_server(('127.0.0.1', 0))
b = socket.create_connection(a.getsockname())
a.accept()[0].getpeername()
a = socket.socket(socket.AF_UNIX)
a.bind('sock')
a.listen()
b = socket.socket(socket.AF_UNIX)
b.connect(a.getsockname())
a.accept()
socket.socket(socket.AF_UNIX).bind('\0hidden')
a = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
a.bind(('::1', 0))
a.sendto(b'x', a.getsockname())
a.recvfrom(3)
a = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
a.bind((0, 0))
a.getsockname()
socket.socketpair()
os.utime('sock')
os.utime('sock', (1, 2.5))
signal.setitimer(signal.ITIMER_REAL, 5, 2)
signal.getitimer(signal.ITIMER_REAL)
signal.setitimer(signal.ITIMER_REAL, 0)
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
select.select([0], [], [], 0.5)
signal.sigtimedwait([signal.SIGUSR1], 0.01)
time.sleep(0.01)
for end in (lambda: os._exit(3), lambda: os.kill(os.getpid(), 9), lambda: os.kill(os.getpid(), 11)):
    if not os.fork():
        end()
    os.wait()
child = os.fork()
if not child:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
os.waitpid(child, os.WUNTRACED)
os.waitpid(child, os.WNOHANG)
os.kill(child, signal.SIGCONT)
os.waitpid(child, os.WCONTINUED)
os.waitpid(child, 0)
try:
    os.execv('/nowhere', ['one', '', 'three \n\xff', 'x' * 300])
except OSError:
    os.execv('/bin/true', ['true'] + [str(n) for n in range(30)])
"""
CONTENTS = r"""
import array, ctypes, fcntl, os, select, signal, socket, struct
end, begin = os.pipe()
os.writev(begin, [b'one', b'', b'three'])
os.readv(end, [bytearray(4), bytearray(100)])
os.writev(begin, [b'x'] * 40)
os.read(end, 100)
left, right = socket.socketpair()
left.sendmsg([b'he', b'llo'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [end, begin]))])
right.recvmsg(100, 500)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('127.0.0.1', 0))
udp.sendmsg([b'datagram'], [], 0, udp.getsockname())
udp.recvmsg(4)
udp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 77))
udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 1, 5000))
udp.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
poll = select.poll()
poll.register(end, select.POLLIN)
poll.poll(1)
poll.register(begin, select.POLLOUT)
poll.register(-1 & 0xff, select.POLLIN)
poll.poll(1)
select.select([end], [begin], [], 1)
select.select([end], [], [], 0.001)
events = select.epoll()
events.register(begin, select.EPOLLOUT | select.EPOLLET)
events.modify(begin, select.EPOLLIN)
events.poll(0.001)
events.modify(begin, select.EPOLLOUT)
events.poll(1)
events.unregister(begin)
os.memfd_create('a known name')
os.symlink('/to/somewhere', 'link')
os.readlink('link')
try:
    os.setxattr('link', 'user.known', b'value')
except OSError:
    pass
os.chdir('/')
os.getcwd()
lock = os.memfd_create('lock')
fcntl.lockf(lock, fcntl.LOCK_EX, 10, 5)
fcntl.fcntl(lock, fcntl.F_GETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
signal.sigpending()
signal.sigtimedwait([signal.SIGUSR1, 40], 0.001)
ctypes.CDLL(None).prctl(15, b'renamed', 0, 0, 0)
for end in (lambda: os._exit(7), lambda: os.kill(os.getpid(), 9)):
    child = os.fork()
    if not child:
        end()
    os.waitid(os.P_PID, child, os.WEXITED)
"""
SQLITE = """CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y');
UPDATE t SET b = 'z'; SELECT * FROM t;"""
NODE = """
const fs = require('fs');
fs.writeFileSync('made', 'hello');
fs.readFile('made', () => setTimeout(() => require('child_process').execSync('true'), 5));
"""

PROGRAMS = {
    program.name: program
    for program in (
        Program("ls", ["ls", "-lR", "/usr/share/perl5"], repeats=True),
        Program("cat", ["cat", "/etc/hostname", "/etc/passwd"], repeats=True),
        Program("tar", ["tar", "cf", "made.tar", "."], [["sh", "-c", TREE]], repeats=True),
        Program("git", ["sh", "-c", GIT]),
        Program("gcc", ["gcc", "hello.c", "-o", "hello"], [["sh", "-c", HELLO]], repeats=True),
        Program("python", ["/usr/bin/python3", "-c", PYTHON]),
        Program("structs", ["/usr/bin/python3", "-I", "-c", STRUCTS]),
        Program("contents", ["/usr/bin/python3", "-I", "-c", CONTENTS]),
        Program(
            "find", ["find", ".", "-type", "f", "-exec", "wc", "-c", "{}", ";"], [["sh", "-c", TREE]], repeats=True
        ),
        Program("sqlite3", ["sqlite3", "made.db", SQLITE], repeats=True),
        Program(
            "pipeline", ["sh", "-c", "seq 2000 | sort -r | head -n 500 | tail -n 3 | tr 0-9 a-j; sleep 0.01 & wait"]
        ),
        Program("server", ["./requests", "100"], [compiled("requests")]),
        Program("awkward", ["./awkward"], [compiled("awkward")]),
        Program("node", ["node", "-e", NODE]),
    )
}
