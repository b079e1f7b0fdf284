-- The value of a socket's option. $level and $name are arguments 1 and 2, $low and $high the halves of its first word.

-- part: level
(s.arg1 & 4294967295)

-- part: name
(s.arg2 & 4294967295)

-- part: low
($word & 4294967295)

-- part: high
($word >> 32)

-- part: text
CASE
    WHEN $level = $socket AND $name = $linger
    THEN
        CASE WHEN s.syscall = 'getsockopt' OR s.arg4 >= 8
        THEN '{l_onoff=' || $low_text || ', l_linger=' || $high_text || '}' END
    WHEN $level = $socket AND $name = $error AND s.syscall = 'getsockopt'
    THEN '[' || CASE WHEN $low = 0 THEN '0' ELSE errno_name($low) END || ']'
    WHEN $level = $socket AND $name = $credentials AND s.syscall = 'getsockopt'
    THEN '{pid=' || $low_text || ', uid=' || $high_id || ', gid=' || $group || '}'
    WHEN (s.syscall = 'getsockopt' OR s.arg4 = 4) AND $second_word IS NULL AND ($is_number)
    THEN '[' || $low_text || ']'
END

-- part: number
CASE
    WHEN $level = $socket AND $name = $error OR $second_word IS NULL AND ($is_number)
    THEN c_int($low)
END

-- part: is_number_of_socket
($level = $number AND $name NOT IN $others)

-- part: is_number_of_protocol
($level = $number AND ($name BETWEEN $first AND $last$more))

-- part: one_more
 OR $name = $option
