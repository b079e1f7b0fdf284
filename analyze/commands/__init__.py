"""The commands of ``bpfrec analyze``, one file each: they parse, ask and hand to a renderer."""
