"""Values of options of ``bpfrec record`` that need more than a click type."""
