"""Questions in the language of bcc's argdist and trace, put to a recorded trace.

``families`` knows which system calls stand for a function; ``cexpr`` and ``translate`` turn expressions of C into
SQL; ``scope`` joins the two; ``specs`` reads probe specifiers.
"""
