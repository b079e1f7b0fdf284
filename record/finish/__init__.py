"""Finishing: makes the trace file from the spools of a recording that has stopped."""
