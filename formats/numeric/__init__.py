"""Searches over whole numpy columns."""
