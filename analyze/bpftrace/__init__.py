"""Replays bpftrace scripts on a recorded trace.

``preprocess`` and ``parse`` make a syntax tree (``tree``) of a script, ``check`` gives every expression a type and
every probe its events, ``generate`` compiles the actions to Python, and ``replay`` runs them over the events of a trace
in time order. ``printing`` writes what bpftrace would have written.
"""
