"""One recording while it goes on: rings drained to spools, what ends it, the command it runs."""
