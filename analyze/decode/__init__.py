"""Numbers of system calls as text, in SQL: functions, and the text of a whole call.

- ``functions``: the SQL functions by name; ``decoders`` and ``text_functions`` have their bodies
- ``calls``: the text of an argument, a result, a whole call
- ``captures``: what was copied for arguments: columns and texts
- ``numbers``: how a number is written
- ``sql_parts``: fills the SQL of ``sql/*.sql``

What the numbers mean stands in ``constants.tsv``, ``decoders.tsv`` and ``decoding.tsv`` of ``formats/kernel``. How the
texts look is decided by strace: tests compare with it.
"""
