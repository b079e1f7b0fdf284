"""Call stacks from registers and a copy of stack memory, by the unwind tables of the files that were executed.

Layers, each on the one before: :mod:`.encoding` (numbers), :mod:`.expression` (the stack machine), :mod:`.cfi` (what a
function does to registers), :mod:`.eh_frame` (finding a function's rules), :mod:`.walk` (from frame to frame).
"""
