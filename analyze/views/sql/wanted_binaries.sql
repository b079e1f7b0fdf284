-- the saved binaries that frames are of; of two with one number none can be told from the other
SELECT binary_id, any_value(build_id) AS build_id, any_value(size) AS size
FROM binaries
WHERE binary_id >= 0
GROUP BY binary_id
HAVING count(*) = 1 AND any_value(status) IS NULL
    AND any_value(build_id) IN (SELECT build_id FROM frames)
