"""Traces in the formats of other tools: Perfetto, the Firefox Profiler, pprof."""
