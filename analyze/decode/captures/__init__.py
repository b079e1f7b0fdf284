"""What the recorder copied for the arguments of calls, as columns and texts of the sys views.

- ``kinds``: which kind of capture is shown how; the other folders ask here
- ``view``: what all of them have: joins, columns, a text
- ``strings``: strings, vectors of them, contents of a buffer
- ``buffers``: vectors of buffers
- ``waits``: descriptors of poll, epoll and select
- ``structs``: structs, by their members; ``signals`` and ``socket_options`` have the texts of some
- ``messages``: sendmsg and recvmsg, made of all of these
"""
