CREATE OR REPLACE TEMP TABLE world_found (
    event_id BIGINT, place TINYINT, name INTEGER, is_path BOOLEAN, reason UTINYINT
);
CREATE OR REPLACE TEMP TABLE world_names (id INTEGER, name VARCHAR, canonical BOOLEAN)
