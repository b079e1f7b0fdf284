"""Taking rights away from processes of the recorder that need none: those that read what recorded processes chose."""
