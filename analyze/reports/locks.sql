WITH waits(tid, pid, comm, holder_tid, holder_pid, holder, kind, object, waited_ns, is_still, gave_up, held_by_waiter) AS (
{% if rows %}
    VALUES {{ rows }}
{% else %}
    SELECT
        NULL::INTEGER, NULL::INTEGER, NULL::VARCHAR, NULL::INTEGER, NULL::INTEGER, NULL::VARCHAR, NULL::VARCHAR,
        NULL::VARCHAR, 0, FALSE, FALSE, FALSE
    WHERE FALSE
{% endif %}
)
SELECT
    -- ns that the waiter waited for the holder and the object
    sum(waited_ns)::BIGINT AS total_ns,
    -- number of waits
    count(*) AS waits,
    -- the longest, ns
    max(waited_ns)::BIGINT AS max_ns,
    -- how many were still going on when the recording stopped
    count(*) FILTER (is_still) AS still,
    -- how many ended without the lock: timeouts, signals
    count(*) FILTER (gave_up) AS gave_up,
    -- thread that waited
    tid::INTEGER AS tid,
    -- its process
    pid::INTEGER AS pid,
    -- its name
    comm::VARCHAR AS comm,
    -- thread that ended the wait, or has the lock; NULL: not known
    holder_tid::INTEGER AS holder_tid,
    -- its process
    holder_pid::INTEGER AS holder_pid,
    -- its name
    holder::VARCHAR AS holder,
    -- flock, fcntl, futex, or thread (its end was waited for)
    kind::VARCHAR AS kind,
    -- the file, the futex or the thread
    object::VARCHAR AS object,
    -- in how many of the waits the holder itself waited, for half of the time or more
    count(*) FILTER (held_by_waiter) AS in_chain
FROM waits
GROUP BY tid, pid, comm, holder_tid, holder_pid, holder, kind, object
ORDER BY total_ns DESC, waits DESC, object, tid, holder_tid
{% if top %}
LIMIT {{ top }}
{% endif %}
