"""Questions to a trace: DuckDB over its tables, SQL views, reports and renderers."""
