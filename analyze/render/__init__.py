"""Rows to lines of text. Renderers neither query nor print."""
