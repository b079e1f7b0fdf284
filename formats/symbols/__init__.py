"""Reading what programs, debug files and JIT compilers say of code: functions, files, lines."""
