"""Parses those options of ``bpfrec record`` whose values have a language of their own.

:mod:`.choices`    ``-p``, ``-t``, ``-u``, ``-d``, ``--max-duration``: lists, users, times
:mod:`.disk_size`  ``--max-size``: a size such as 2G
:mod:`.ring_size`  ``--buffer``: a size such as 64M
:mod:`.until`      ``--until``: what a call has to be for the recording to stop
:mod:`.syscalls`   ``-e`` and ``--stack-on``: names and classes of system calls, as strace has them
"""
