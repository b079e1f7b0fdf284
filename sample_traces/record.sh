#!/bin/sh
# Records the sample traces anew: `make samples`, as root. $BPFREC is the command. What is recorded sees a plain
# environment and a temporary folder, so that the traces show nothing of the machine's user.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
workloads=$here/../tests/workloads
work=$(mktemp -d)
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$work" LC_ALL=C.UTF-8
unset PYTHONPATH VIRTUAL_ENV
trap 'kill $program 2>/dev/null || :; rm -rf "$work"' EXIT
program=

record() {
    name=$1
    shift
    "$BPFREC" record --force -o "$name.bpfrec" "$@" </dev/null >/dev/null 2>"$work/said"
    cat "$work/said"
}

# A running program is recorded by its pid for as long as the commands on standard input take.
record_running() {
    name=$1
    "$BPFREC" record --force -o "$name.bpfrec" -p "$program" 2>"$work/said" &
    recorder=$!
    until grep -q recording "$work/said"; do sleep 0.1; done
    sh -s
    kill -INT "$recorder"
    wait "$recorder"
    cat "$work/said"
    kill "$program"
}

cp -r "$workloads/nodey" "$workloads/server.c" "$workloads/mapit.c" "$workloads/spinning.c" \
    "$workloads/leaking.c" "$workloads/locking.c" "$workloads/sleeping.c" "$work"
cd "$work"
for name in server mapit; do
    gcc -g -fno-omit-frame-pointer -O0 "$name.c" -o "$name"
done

./server </dev/null >/dev/null 2>&1 &
program=$!
echo 'sleep 0.5' | record_running lab1-server

node --perf-basic-prof --interpreted-frames-native-stack nodey/server.js </dev/null >port 2>/dev/null &
program=$!
until grep -q listening port; do sleep 0.1; done
echo "for i in 1 2 3; do curl -s http://127.0.0.1:$(cut -d' ' -f2 port)/about; done" | record_running lab2-node
rm -f "/tmp/perf-$program.map"

record mapit -- ./mapit 25

cat >hello.c <<'C'
#include <stdio.h>
int main(void) { return printf("hello, world\n") < 0; }
C
record build -- sh -c 'gcc -O2 hello.c -o hello && ./hello && git init -q . && git add hello.c \
    && git -c user.name=a -c user.email=a@example.org commit -qm hello && git log --oneline'

record sqlite -- /usr/bin/python3 -c '
import sqlite3
db = sqlite3.connect("notes.db")
db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text)")
for i in range(20):
    db.execute("INSERT INTO notes (text) VALUES (?)", ("x" * 1000,))
    db.commit()
print(db.execute("SELECT count(*) FROM notes").fetchone())
'

# A server that answers by buffers, and tells a collector, which nobody runs, of every answer.
record exchange -- /usr/bin/python3 -S -c '
import os, socket
server, log = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for length in (200, 3000):
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    client.send(b"GET /")
    peer.recv(100)
    os.writev(peer.fileno(), [b"HTTP/1.0 200 OK\r\n\r\n", b"x" * length])
    log.sendmsg([b"answered ", b"%d" % length], [], 0, ("127.0.0.1", 9))
    client.recv(5000)
'

# What two ends of a connection say to each other, with the first bytes of each message.
printf 'Tea is ready.\nIt is hot.\n' >note
record talk --data 200 --stacks off -- /usr/bin/python3 -S -c '
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
client.send(b"GET /note HTTP/1.0\r\n\r\n")
peer.recv(1000)
note = open("note", "rb").read()
peer.send(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(note))
peer.send(note)
client.recv(1000)
client.send(b"PUT /tea HTTP/1.0\r\n\r\n" + b"tea\0" * 500)
peer.recv(5000)
client.close()
peer.recv(1000)
'

# What runs, of two users, while a file is compressed.
gcc -O2 -fomit-frame-pointer -pthread spinning.c -o spinning
head -c 8000000 /dev/urandom >random
chmod 755 .
record running --profile 100 -e execve -- sh -c 'gzip -c random >/dev/null &
    setpriv --reuid=nobody --regid=nogroup --clear-groups ./spinning 800 >/dev/null & wait'

for name in leaking locking sleeping; do
    gcc -g -fno-omit-frame-pointer -O0 -pthread "$name.c" -o "$name"
done
mkdir sessions files
record leaking --stack-on all -d 1 -- ./leaking sessions 3
record locking -d 2 -- ./locking files deadlock 4
record sleeping --kernel-stacks --stack-on all -- ./sleeping

mv ./*.bpfrec "$here"
