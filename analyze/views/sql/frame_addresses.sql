-- the modules of frames that can be looked up, and where in them the frames are; larger addresses are no file's
SELECT build_id, list(DISTINCT module_address)
FROM frames
WHERE build_id IS NOT NULL AND module_address < 1::UBIGINT << 62
GROUP BY build_id
ORDER BY count(*) DESC
