"""The kernel side: BPF programs, loading them through bcc, perf ring buffers, and what comes out of them."""
