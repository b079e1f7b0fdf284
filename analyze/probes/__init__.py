"""Questions in the language of bcc's argdist and trace, put to a recorded trace.

- ``argdist_spec``, ``trace_spec``: the two notations; ``splitting`` cuts them into parts, ``printf`` reads the messages
- ``sites``: where a probe sits
- ``functions``: finds the system calls that stand for a function; ``family_table`` has them
- ``c_syntax`` (with ``c_syntax.lark``): expressions of C as trees; ``c_types`` and ``c_constants`` have what C knows
- ``c_to_sql``: trees as SQL; ``scope`` says what the names in them stand for
- ``match_notes``: tells the reader which calls a probe matched
"""
