"""Traces made from what other tools wrote: the log of strace, the text of perf script."""
