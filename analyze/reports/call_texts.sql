SELECT
    chosen.event_id,
    coalesce(
        texts.call_text,
        -- a call of a 32-bit program: its arguments as numbers
        s.syscall || '(' || concat_ws(
            ', ',
            printf('0x%x', s.arg0), printf('0x%x', s.arg1), printf('0x%x', s.arg2),
            printf('0x%x', s.arg3), printf('0x%x', s.arg4), printf('0x%x', s.arg5)
        ) || ') = ' || coalesce(s.ret::VARCHAR, '?')
    ) AS call
FROM chosen
JOIN syscalls AS s ON s.event_id = chosen.event_id
LEFT JOIN (
{% for name in names %}
    SELECT event_id, call_text FROM sys.{{ ident(name) }} WHERE event_id IN (SELECT event_id FROM chosen)
    UNION ALL
{% endfor %}
    SELECT NULL::BIGINT AS event_id, NULL::VARCHAR AS call_text WHERE FALSE
) AS texts ON texts.event_id = chosen.event_id
