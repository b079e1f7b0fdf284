import socket, threading, os, socketserver, select, subprocess, tempfile

os.makedirs("d/e", exist_ok=True)
os.chdir("d")
open("rel.txt", "w").write("x")
open("../up.txt", "w").write("x")
os.chdir("e")
open("../rel.txt").read()
fd = os.open("..", os.O_RDONLY | os.O_DIRECTORY)
f2 = os.open("rel.txt", os.O_RDONLY, dir_fd=fd)
os.read(f2, 10)
os.fchdir(fd)
os.stat("rel.txt")
f3 = os.dup(f2)
os.close(f2)
os.fstat(f3)


class H(socketserver.BaseRequestHandler):
    def handle(self):
        d = self.request.recv(100)
        self.request.sendall(d)


class S(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


s = S(("127.0.0.1", 0), H)
p = s.server_address[1]
t = threading.Thread(target=s.serve_forever)
t.start()
for i in range(20):
    c = socket.create_connection(("127.0.0.1", p))
    c.sendall(b"hi")
    c.recv(10)
    c.close()
s.shutdown()
t.join()
s.server_close()
u = socket.socket(socket.AF_UNIX)
u.bind("sock")
u.listen()
c = socket.socket(socket.AF_UNIX)
c.connect("sock")
a, _ = u.accept()
c.send(b"x")
a.recv(1)
a1, b1 = socket.socketpair()
a1.send(b"x")
b1.recv(1)
v6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
v6.bind(("::1", 0))
v6.sendto(b"x", v6.getsockname())
v6.recv(1)
ep = select.epoll()
ep.register(v6)
ep.poll(0.01)
m = os.memfd_create("mem")
os.write(m, b"x")
tf = tempfile.TemporaryFile()
tf.write(b"x")
tf.flush()
print(subprocess.run(["cat", "rel.txt"], stdout=subprocess.PIPE).stdout)
os.system("cat ../up.txt | tr x y; exec 5<rel.txt; cat <&5")
r, w = os.pipe()
os.set_inheritable(w, True)
if os.fork() == 0:
    os.close(r)
    os.chdir("/")
    os.write(w, b"a")
    os.stat("etc")
    os._exit(0)
os.close(w)
os.read(r, 1)
os.wait()
os.stat("rel.txt")
