"""The SQL views and functions that a trace offers."""
