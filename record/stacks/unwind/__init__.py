"""Unwinds a stack from registers and a copy of stack memory, by the unwind tables of the mapped files.

Each module builds on those below it:

====================  ==============================================================
:mod:`.unwinder`      from frame to frame
:mod:`.eh_frame`      finds the rules of a function in an ELF file
:mod:`.go_frames`     makes such rules from Go's own table
:mod:`.cfi`           call frame information: the rules at an instruction
:mod:`.expression`    DWARF expressions
:mod:`.encoding`      numbers and pointers
====================  ==============================================================
"""
