"""Call stacks: from snapshots and return addresses to rows of ``stacks`` and ``frames``.

=========================  ===========================================================================
:mod:`.stack_table`        the protocol for "who knows the stacks of calls", and which kind a recording has
:mod:`.unwound_stacks`     the stack table of ``--stacks full``: unwinds all snapshots at the end
:mod:`.frame_pointers`     the stack table of ``--stacks fp``
:mod:`.stack_learner`      unwinds new stacks while recording, for the BPF program to recognise them
:mod:`.shared_stacks`      what a known stack has in common in all processes that execute the same files
:mod:`.unwinding`          unwinds one snapshot with the code that was mapped
:mod:`.unwind`             the unwinder itself, which knows nothing of processes
:mod:`.frames`             stacks to rows, with functions and lines
:mod:`.stack_versions`     stacks through JIT code that was replaced while recording
:mod:`.runtimes`           which runtimes keep frame pointers in their JIT code
:mod:`.sample_table`       samples to rows of ``samples``, and kernel stacks
:mod:`.modules`            mapped files: held open, their unwind tables and symbols
:mod:`.perf_map_files`     perf maps: held open, and when each line was written
:mod:`.kernel_symbols`     /proc/kallsyms
=========================  ===========================================================================
"""
