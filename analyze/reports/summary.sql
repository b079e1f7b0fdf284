WITH {{ called }},
sections AS (
    SELECT 1 AS part, 'recording' AS section, i AS place, name, value, detail, NULL AS command
    FROM (
        SELECT unnest([
            {'i': 1, 'name': 'file', 'value': file, 'detail': size_bytes || ' bytes'},
            {'i': 2, 'name': 'host', 'value': host, 'detail': kernel || ', ' || arch || ', ' || cpus || ' CPUs'},
            {'i': 3, 'name': 'start', 'value': strftime(start, '%Y-%m-%d %H:%M:%S UTC'), 'detail': NULL},
            {'i': 4, 'name': 'length', 'value': printf('%.3f s', duration_ns / 1e9), 'detail': 'ended by: ' || stopped},
            {'i': 5, 'name': 'calls', 'value': calls::VARCHAR, 'detail': printf('%.0f a second', calls / greatest(duration_ns / 1e9, 1e-9))},
            {'i': 6, 'name': 'samples', 'value': samples::VARCHAR, 'detail': hz || ' a second on each CPU, of what ran'},
            {'i': 7, 'name': 'command', 'value': command_line, 'detail': 'bpfrec ' || tool_version}
        ], max_depth := 2)
        FROM (
            SELECT *, map_extract(tables, 'samples')[1] AS samples, try_cast(configuration ->> '$.profile_hz' AS INTEGER) AS hz
            FROM recording
        )
    )
    WHERE name != 'samples' OR coalesce(value, '0') != '0'

    UNION ALL

    SELECT 2, 'findings', place, process, finding, evidence, command
    FROM ({{ findings }})
    {% if top %}QUALIFY row_number() OVER (ORDER BY place) <= {{ top }}{% endif %}

    UNION ALL

    SELECT 3, 'time', place, doing, share, detail, NULL
    FROM ({{ spent }})

    UNION ALL

    SELECT 4, 'processes', row_number() OVER (ORDER BY calls DESC, pid), pid::VARCHAR, calls::VARCHAR, comm, NULL
    FROM (
        SELECT s.pid, any_value(p.comm) AS comm, s.calls
        FROM (SELECT pid, sum(calls)::BIGINT AS calls FROM called GROUP BY pid) AS s
        LEFT JOIN (
            SELECT pid, max_by(coalesce(cmdline, comm), coalesce(start_ns, 0)) AS comm FROM processes GROUP BY pid
        ) AS p ON p.pid = s.pid
        GROUP BY s.pid, s.calls
    )
    {% if top %}QUALIFY row_number() OVER (ORDER BY calls DESC, pid) <= {{ top }}{% endif %}

    UNION ALL

    SELECT 5, 'calls', row_number() OVER (ORDER BY calls DESC, syscall), syscall, calls::VARCHAR, printf('%.3f ms', total_ns / 1e6), NULL
    FROM (SELECT syscall, sum(calls)::BIGINT AS calls, sum(total_ns) AS total_ns FROM called GROUP BY syscall)
    {% if top %}QUALIFY row_number() OVER (ORDER BY calls DESC, syscall) <= {{ top }}{% endif %}

    UNION ALL

    SELECT 6, 'failures', row_number() OVER (ORDER BY not_yet, calls DESC, syscall, errno, path), syscall || ' ' || errno, calls::VARCHAR, path, NULL
    FROM (
        SELECT
            syscall,
            errno,
            path,
            -- errors that say "not yet" and no more: nothing is wrong
            coalesce(
                errno IN ('EAGAIN', 'EINPROGRESS', 'EALREADY') OR (errno = 'ETIMEDOUT' AND starts_with(syscall, 'futex')),
                FALSE
            ) AS not_yet,
            sum(calls)::BIGINT AS calls
        FROM wrong
        GROUP BY ALL
    )
    {% if top %}QUALIFY row_number() OVER (ORDER BY not_yet, calls DESC, syscall, errno, path) <= {{ top }}{% endif %}

    UNION ALL

    SELECT 7, 'losses', row_number() OVER (ORDER BY severity, kind), kind, calls::VARCHAR, concat_ws(': ', severity, remedy), NULL
    FROM (SELECT kind, severity, sum(count)::BIGINT AS calls, any_value(remedy) AS remedy FROM losses GROUP BY kind, severity)
)
SELECT
    -- recording, findings, time, processes, calls, failures, losses
    section,
    -- what it is about: a process, a system call, an error ...
    name,
    -- how often, or what
    value,
    -- more about it: evidence, command line, time spent, path, remedy
    detail,
    -- of a finding: the command that shows more
    command
FROM sections
ORDER BY part, place
