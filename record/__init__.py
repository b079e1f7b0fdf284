"""A recording session: targets, draining the rings, snapshots of processes, finishing the file."""
