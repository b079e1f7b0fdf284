"""A recording while it goes on: draining rings to spools, when to stop, and the command that is recorded."""
