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
