"""Traces of recordings whose recorder was killed."""
