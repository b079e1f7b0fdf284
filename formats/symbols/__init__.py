"""Names for code: functions, source files and lines, from programs, debug files and perf maps.

========================  =================================================================================
:mod:`.symbolizer`        asks all files of one program for the function and the line at an address
:mod:`.elf`               an ELF file: segments, sections, build id, links to debug files
:mod:`.elf_sections`      what its sections hold, compressed ones too
:mod:`.elf_symbols`       its symbol tables
:mod:`.debug_files`       finds separate debug files
:mod:`.source_lines`      the lines of addresses by DWARF, with these:
:mod:`.dwarf_units`       finds the compilation unit of an address
:mod:`.dwarf_lines`       runs the line program of a unit
:mod:`.dwarf_cursor`      reads the encodings of DWARF
:mod:`.dwarf_names`       names for the numbers of DWARF
:mod:`.go_functions`      Go's own table of functions
:mod:`.perf_map`          ``perf-PID.map``, where runtimes name their JIT code
========================  =================================================================================

All of them read what strangers wrote, some of it as root: every size is bounded.
"""
