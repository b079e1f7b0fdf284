-- Messages of sendmsg(2) and recvmsg(2).

-- part: no_buffers
$count = 0

-- part: no_buffers_but_a_vector
$count = 0 AND $vector != 0

-- part: text
(
    '{msg_name=' || $name
    || ', msg_namelen=' || $name_length
    || ', msg_iov=' || $vector
    || ', msg_iovlen=' || $count
    || $control
    || ', msg_controllen=' || $control_length
    || ', msg_flags=' || msg_flags($flags)
    || '}'
)

-- part: or_address
coalesce($text, $address)

-- part: descriptors
CASE WHEN $row.status IS NULL THEN [CAST($fd AS INTEGER) FOR fd IN $row.first] END

-- part: descriptor
(fd & 4294967295)

-- Descriptors where that is all the control data there is, else its address. A header with its data fills up to a multiple
-- of 8 bytes; a last one may go without those that fill it up.
-- part: control
CASE
    WHEN $length = 0 THEN ''
    ELSE
        ', msg_control='
        || CASE
            WHEN
                $row.status IS NULL
                AND $length IN (
                    ($header + 4 * len($row.first)), (($header + 4 * len($row.first)) + 7) // 8 * 8
                )
            THEN
                '[{cmsg_len=' || ($header + 4 * len($row.first))
                || ', cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=['
                || array_to_string($descriptors, ', ') || ']}]'
            ELSE $address
        END
END
