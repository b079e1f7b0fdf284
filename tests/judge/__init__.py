"""strace as the judge of recordings: the same calls, the same arguments, the same results."""
