"""From the records of the BPF program to rows of tables."""
