"""DuckDB over the tables of a trace: sessions, views made on demand, results."""
