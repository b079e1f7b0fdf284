"""What is known of the recorded processes: from /proc, and from the events of perf."""
