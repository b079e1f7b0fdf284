-- What calls say of signals.

-- part: sigaction
(
    '{sa_handler=' || signal_handler($handler)
    || ', sa_mask=' || sigset_text($mask)
    || ', sa_flags=' || sigaction_flags($flags)
    || CASE WHEN $flags & $has_restorer != 0 THEN ', sa_restorer=' || $restorer ELSE '' END
    || '}'
)

-- Where nobody was found, waitid(2) sets the signal to 0. The times are not copied.
-- part: child
CASE $signal
    WHEN 0 THEN '{}'
    WHEN $sigchld THEN
        '{si_signo=SIGCHLD, si_code=' || child_code($code)
        || CASE WHEN $error != 0 THEN ', si_errno=' || errno_name($error) ELSE '' END
        || ', si_pid=' || $pid
        || ', si_uid=' || $uid
        || ', si_status='
        || CASE WHEN $code = $exited THEN $exit_status ELSE signal_name($status) END
        || '}'
END

-- A row s of the table signals as strace writes it: see print_si_info() of its printsiginfo.c. What the kernel sent tells
-- the sender only where there is one; NULL members are those that the signal does not have.
-- part: delivered
(
    '--- ' || signal_name(s.signal)
    || CASE WHEN s.code IS NULL THEN ''
        ELSE ' {si_signo=' || signal_name(s.signal)
            || ', si_code=' || CASE WHEN s.code <= 0 OR s.code = $kernel THEN signal_source(s.code) ELSE signal_code(s.signal, s.code) END
            || coalesce(', si_errno=' || errno_name(s.error), '')
            || coalesce(', si_timerid=' || $timer || ', si_overrun=' || s.overrun, '')
            || coalesce(', si_pid=' || s.sender_pid || ', si_uid=' || (s.sender_uid & 4294967295::BIGINT), '')
            || coalesce(', si_status=' || CASE WHEN s.code = $exited THEN CAST(s.status AS VARCHAR) ELSE signal_name(s.status) END, '')
            || coalesce(', si_utime=' || s.user_ticks || ', si_stime=' || s.system_ticks, '')
            || CASE WHEN s.arch IS NOT NULL THEN ', si_call_addr=' || $address || ', si_syscall=' || s.nr || ', si_arch=' || $arch
                WHEN s.address IS NOT NULL THEN ', si_addr=' || $address
                ELSE '' END
            || coalesce(', si_band=' || s.band || ', si_fd=' || s.fd, '')
            || CASE WHEN s.value != 0 OR s.timer IS NOT NULL THEN ', si_int=' || $number || ', si_ptr=' || $pointer ELSE '' END
            || '}' END
    || ' ---'
)
