"""Call stacks: the code that processes had mapped, walks from frame to frame, names of functions."""
