coalesce(
    texts.call_text,
    s.syscall || '(' || concat_ws(  -- a call of a 32-bit program: its arguments as numbers
        ', ',
        printf('0x%x', s.arg0), printf('0x%x', s.arg1), printf('0x%x', s.arg2),
        printf('0x%x', s.arg3), printf('0x%x', s.arg4), printf('0x%x', s.arg5)
    ) || ') = ' || coalesce(s.ret::VARCHAR, '?')
)
