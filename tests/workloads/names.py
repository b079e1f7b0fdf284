"""Gets descriptors in every usual way, uses them, and prints nothing: for tests of what they are called."""

# ruff: noqa: PTH103, PTH109, PTH116, PTH123 - the calls themselves are wanted

import os
import select
import socket
import socketserver
import subprocess
import tempfile
import threading

os.makedirs("d/e", exist_ok=True)
os.chdir("d")
for name in ("rel.txt", "../up.txt"):
    with open(name, "w") as file:
        file.write("x")
os.chdir("e")
with open("../rel.txt") as file:
    file.read()
folder = os.open("..", os.O_RDONLY | os.O_DIRECTORY)
inner = os.open("rel.txt", os.O_RDONLY, dir_fd=folder)
os.read(inner, 10)
os.fchdir(folder)
os.getcwd()
os.stat("rel.txt")
copy = os.dup(inner)
os.close(inner)
os.fstat(copy)


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(100))


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for _ in range(20):
        with socket.create_connection(server.server_address) as client:
            client.sendall(b"hi")
            client.recv(10)
    server.shutdown()
    thread.join()

with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
    listening.bind("sock")
    listening.listen()
    client.connect("sock")
    accepted, _ = listening.accept()
    client.send(b"x")
    accepted.recv(1)
one, other = socket.socketpair()
socket.send_fds(one, [b"x"], [copy])
_, received, _, _ = socket.recv_fds(other, 1, 1)
os.fstat(received[0])
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams:
    datagrams.bind(("::1", 0))
    datagrams.sendto(b"x", datagrams.getsockname())
    datagrams.recv(1)
    events = select.epoll()
    events.register(datagrams)
    events.poll(0.01)
os.write(os.memfd_create("memory"), b"x")
with tempfile.TemporaryFile() as file:
    file.write(b"x")
subprocess.run(["cat", "rel.txt"], stdout=subprocess.DEVNULL, check=True)
os.system("cat ../up.txt | tr x y > /dev/null; exec 5<rel.txt; cat <&5 > /dev/null")
reading, writing = os.pipe()
os.set_inheritable(writing, True)
if os.fork() == 0:
    os.close(reading)
    os.chdir("/")
    os.write(writing, b"a")
    os.stat("etc")
    os._exit(0)
os.close(writing)
os.read(reading, 1)
os.wait()
os.stat("rel.txt")
