"""From the spools of a recording that has stopped to the trace file."""
