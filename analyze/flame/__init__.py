"""Flame graphs: what is measured by call stack (``weights``), where it is drawn (``layout``), and what draws it.

The renderers are ``svg``, ``html``, ``folded`` and ``speedscope``.
"""
