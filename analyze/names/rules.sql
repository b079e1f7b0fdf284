-- What each call names: its place among them, what it is, and the argument that has the descriptor.
CREATE OR REPLACE TEMP TABLE world_rules (
    syscall VARCHAR, abi VARCHAR, place TINYINT, is_path BOOLEAN, is_text BOOLEAN, is_optional BOOLEAN,
    is_mapped BOOLEAN, fd TINYINT, is_second BOOLEAN
)
