"""Questions in the language of bcc's argdist and trace, put to a recorded trace.

- ``argdist_spec``, ``trace_spec``: the two notations; ``splitting`` cuts them into parts, ``printf`` reads the messages
- ``sites``: where a probe sits
- ``functions``: finds the system calls that stand for a function; ``function_table`` reads the tables that say so:
  ``functions.tsv``, ``function_calls.tsv``, ``not_calls.tsv``
- ``c_syntax`` (with ``c_syntax.lark``): expressions of C as trees; ``c_types`` and ``c_constants`` have what C knows
- ``c_to_sql``: trees as SQL
- ``scope``: what the names in an expression stand for, and which rows a probe fires on; ``captured_values``: what
  pointers point at; ``returns.sql``: the rows that probes at an exit see
- ``match_notes``: tells the reader which calls a probe matched; ``refusals``: and which probes were refused
"""
