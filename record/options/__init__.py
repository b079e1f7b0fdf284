"""What the options of ``bpfrec record`` can say."""
