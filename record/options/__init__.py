"""Parses those options of ``bpfrec record`` whose values have a language of their own.

:mod:`.choices`    ``-p``, ``-t``, ``-u``, ``-d``: lists, users, times
:mod:`.ring_size`  ``--buffer``: a size such as 64M
:mod:`.syscalls`   ``-e`` and ``--stack-on``: names and classes of system calls, as strace has them
"""
