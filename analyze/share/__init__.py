"""A trace made ready for a stranger: what in it may be secret, and a copy without that.

``classes.tsv`` and ``columns.tsv`` say what may be secret, ``public_names.txt`` what is no secret because every
system has it. ``words``, ``addresses`` and ``text`` replace text, ``columns`` and ``manifest`` what a trace holds,
``selection`` and ``size`` leave rows out, and ``copy`` writes the new trace.
"""
