-- The strings of a vector of arguments, in their order.
LEFT JOIN (
  SELECT event_id, list(value ORDER BY position) FILTER (WHERE value IS NOT NULL) AS value
  FROM exec_args WHERE arg = {{ argument }} GROUP BY event_id
) AS list{{ argument }} ON list{{ argument }}.event_id = s.event_id
