"""What is on the wire and on disk: schemas, the trace file, tables of syscalls and error numbers."""
