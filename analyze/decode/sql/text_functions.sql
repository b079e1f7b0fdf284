-- Bodies of the macros that are no decoders: strings, results, addresses, statuses, limits, sets of signals.

-- Between quotes, as C writes it. $bytes is a list of bytes, each as two capital hex digits; $escapes has the text of each
-- of the 256, with $mark in place of the backslash of an octal escape. An escape has as few digits as what follows allows;
-- one right behind another is found the second time.
-- part: escaped_bytes
replace(
    regexp_replace(
        regexp_replace(
            array_to_string([$escapes[CAST('0x' || h AS INTEGER) + 1] FOR h IN $bytes], ''),
            $padded, '\\\1\2\3', 'g'
        ),
        $padded, '\\\1\2\3', 'g'
    ),
    $mark, '\'
)

-- part: hex_pairs
regexp_extract_all(hex(bytes), '..')

-- part: bytes_text
('"' || $escaped || '"')

-- In a path that was not UTF-8, \xNN is a byte.
-- part: bytes_of_path
CASE WHEN status = 'not-utf8'
THEN flatten([
    CASE WHEN length(t) = 4 THEN [upper(t[3:4])] ELSE regexp_extract_all(hex(encode(t)), '..') END
    FOR t IN regexp_extract_all(path, '(?s)\\x[89a-f][0-9a-f]|.')
])
ELSE regexp_extract_all(hex(encode(path)), '..') END

-- part: quoted_text
(
    '"'
    || CASE WHEN regexp_matches(path, '[^ !#-\[\]-~]') THEN $escaped ELSE path END
    || '"'
    || CASE WHEN status = 'truncated' THEN '...' ELSE '' END
)

-- part: result_text
CASE WHEN value BETWEEN $lowest AND -1
THEN coalesce(
    list_extract([$failures], list_position([$numbers], CAST(-value AS INTEGER))),
    concat('-1 (errno ', -value, ')')
)
ELSE coalesce(CAST(value AS VARCHAR), '?') END

-- part: failed
(ret BETWEEN $lowest AND -1 AND ret NOT IN $restarts)

-- NULL where there is no address. Netlink groups are NULL in older traces: what there is of them can be an address that is
-- too short.
-- part: sockaddr_text
(
    '{sa_family=' || address_family(family)
    || CASE
        WHEN address = '' THEN ''
        WHEN family = $unix THEN $unix_path
        WHEN family = $inet AND port IS NOT NULL
        THEN ', sin_port=htons(' || port || '), sin_addr=inet_addr("' || address || '")'
        WHEN family = $inet6 AND port IS NOT NULL THEN
            ', sin6_port=htons(' || port
            || '), sin6_flowinfo=htonl(' || coalesce(CAST(extra AS VARCHAR), '?')
            || '), inet_pton(AF_INET6, "' || split_part(address, '%', 1)
            || '", &sin6_addr), sin6_scope_id=' || coalesce(nullif(split_part(address, '%', 2), ''), '0')
        WHEN family = $netlink THEN
            ', nl_pid=' || address || ', nl_groups='
            || if(
                extra = 0, '00000000',
                '0x' || lpad(
                    lower(to_hex(extra)), greatest(6, CAST(length(lower(to_hex(extra))) AS INTEGER)), '0'
                )
            )
        ELSE ', sa_data="' || $other_data || '"'
    END
    || '}'
)

-- The trace writes @ for the zero byte that an abstract name begins with, and $zero for those within it.
-- part: unix_path
', sun_path='
|| if(starts_with(address, '@'), '@', '')
|| quoted_text(
    if(
        status = 'not-utf8',
        replace(if(starts_with(address, '@'), address[2:], address), $zero, chr(0)),
        if(starts_with(address, '@'), address[2:], address)
    ),
    status
)

-- part: address_pairs
regexp_extract_all(upper(address), '..')

-- The macros WIFSTOPPED and so on of the C library, bits/waitstatus.h.
-- part: wait_status_text
CASE
    WHEN $status = 65535 THEN '{WIFCONTINUED(s)}'
    WHEN $status & 255 = 127 THEN
        '{WIFSTOPPED(s) && WSTOPSIG(s) == ' || signal_name((($status >> 8) & 255) & 127)
        || if((($status >> 8) & 255) >= 128, ' | 0x80', '') || '}'
        || CASE WHEN $status >> 16 != 0 THEN '|' || ptrace_event_name($status >> 16) || '<<16' ELSE '' END
    WHEN ($status & 127) = 0 THEN '{WIFEXITED(s) && WEXITSTATUS(s) == ' || (($status >> 8) & 255) || '}'
    ELSE
        '{WIFSIGNALED(s) && WTERMSIG(s) == ' || signal_name(($status & 127))
        || if($status & 128 != 0, ' && WCOREDUMP(s)', '') || '}'
END

-- part: limit_text
CASE
    WHEN value = $infinity THEN 'RLIM64_INFINITY'
    WHEN value > 1024 AND value % 1024 = 0 THEN (value // 1024) || '*1024'
    ELSE CAST(value AS VARCHAR)
END

-- A set of most signals is written as ~ and those that it has not.
-- part: sigset_text
CASE
    WHEN $set = 0 THEN '[]'
    WHEN value IS NOT NULL THEN
        CASE WHEN (bit_count($set) >= $most) THEN '~' ELSE '' END
        || '['
        || array_to_string(
            [
                list_extract([$names], bit + 1)
                FOR bit IN range(64)
                IF (($set >> CAST(bit AS UBIGINT)) & 1 = 1) != (bit_count($set) >= $most)
            ],
            ' '
        )
        || ']'
END
