-- What each call names: its place among them, its role, and the argument that has the descriptor.
CREATE OR REPLACE TEMP TABLE world_rules (
    syscall VARCHAR, abi VARCHAR, place TINYINT, role VARCHAR, fd TINYINT, is_second BOOLEAN
)
