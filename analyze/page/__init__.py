"""The trace as one web page: a file that loads nothing, for somebody who has a browser and no bpfrec."""
