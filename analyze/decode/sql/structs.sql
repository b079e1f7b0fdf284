-- Structs: members, and the texts of those that are more than a list of their members.

-- part: word
$row.word$number

-- part: shifted
($word >> $shift)

-- part: cast
$macro($value)

-- part: text
($parts)

-- part: call
$function($value)

-- part: bracketed
($value)

-- part: special_time
CASE $special ELSE $time END

-- part: special_time_name
WHEN $nanoseconds = $number THEN $name

-- part: change_times
('[' || $access || ', ' || $change || ']')

-- part: open_how
(
    '{flags=' || open_how_flags($flags)
    || CASE WHEN $mode != 0 OR $flags & $create = $create OR $flags & $tmpfile = $tmpfile
    THEN ', mode=' || $mode_text
    ELSE '' END
    || ', resolve=' || resolve_flags($resolve)
    || '}'
)

-- part: clone_args
(
    '{flags=' || clone3_flags($flags)
    || $pidfd || $child_tid || $parent_tid
    || ', exit_signal='
    || CASE WHEN $exit_signal < 2147483648 THEN signal_name($exit_signal) ELSE CAST($exit_signal AS VARCHAR) END
    || ', stack=' || $stack
    || ', stack_size=' || $stack_size
    || $tls || $set_tid || $set_tid_size || $cgroup
    || '}'
)

-- part: clone_member
CASE WHEN $flags & $bits != 0 OR $asked THEN $heading || $text ELSE '' END

-- part: is_not_0
coalesce($value != 0, FALSE)

-- part: either_is_not_0
coalesce($first != 0 OR $second != 0, FALSE)

-- part: flock
(
    '{l_type=' || lease_name($type)
    || ', l_whence=' || seek_name($whence)
    || ', l_start=' || $start
    || ', l_len=' || $length
    || CASE WHEN s.arg1 IN $asking THEN ', l_pid=' || $pid ELSE '' END
    || '}'
)
