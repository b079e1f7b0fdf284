"""Facts about Linux: system calls, error numbers, constants, what arguments mean."""
