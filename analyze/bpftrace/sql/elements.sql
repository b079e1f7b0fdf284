-- The elements of an array of structs, in their order.
LEFT JOIN (
  SELECT event_id, list({'word0': word0, 'word1': word1} ORDER BY position) FILTER (WHERE status IS NULL) AS words,
    max(status) AS status
  FROM arrays WHERE arg = {{ argument }} AND kind = {{ kind }} AND phase = 'entry' GROUP BY event_id
) AS arrays{{ argument }} ON arrays{{ argument }}.event_id = s.event_id
