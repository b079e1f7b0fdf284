SELECT
    -- process id
    o.pid,
    -- last name of its main thread
    p.comm,
    -- real user id
    p.uid & 4294967295 AS uid,
    -- number of the descriptor; NULL: working directory, root directory
    CASE WHEN o.fd >= 0 THEN o.fd END AS fd,
    -- the number, or cwd, rtd
    CASE o.fd WHEN {{ cwd }} THEN 'cwd' WHEN {{ root }} THEN 'rtd' ELSE o.fd::VARCHAR END AS descriptor,
    -- FILE, pipe, anon, or the kind of socket; NULL: not known
    CASE
        WHEN starts_with(o.name, '/') THEN 'FILE'
        WHEN o.name LIKE 'unix:%' THEN 'unix'
        WHEN o.name LIKE '%:%' AND NOT contains(split_part(o.name, ':', 1), ' ') THEN split_part(o.name, ':', 1)
        ELSE split_part(o.name, ' ', 1)
    END AS kind,
    -- what it is: absolute name, addresses of a socket ...; NULL: not known
    o.name
{{ opened }}
WHERE {{ where }}
ORDER BY o.pid, o.fd
{% if top %}
LIMIT {{ top }}
{% endif %}
