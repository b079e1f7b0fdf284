FROM (
{% if rows %}
    VALUES {{ rows }}
{% else %}
    SELECT NULL::INTEGER, NULL::INTEGER, NULL::VARCHAR WHERE FALSE
{% endif %}
) AS o(pid, fd, name)
LEFT JOIN (
    SELECT pid, max_by(comm, coalesce(start_ns, 0)) AS comm, max_by(uid, coalesce(start_ns, 0)) AS uid
    FROM processes WHERE coalesce(start_ns, 0) <= {{ at_ns }} GROUP BY pid
) AS p ON p.pid = o.pid
