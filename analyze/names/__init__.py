"""Names in the world: which file, socket or pipe every call is about, followed through the calls of the whole trace.

``changes.sql`` makes a row of every change of a descriptor, a working directory or a root; :mod:`descriptor_tables`
says which table of descriptors a process has at a time, :mod:`descriptor_lookup` finds what a number means in it,
:mod:`naming` gives that a name, and :mod:`resolve` answers for every call.

A time is two times ns on CLOCK_MONOTONIC here, and one more where a descriptor is closed: of a close and an open at the
same moment the open, which may get the number, is the later one only if it began after.
"""
