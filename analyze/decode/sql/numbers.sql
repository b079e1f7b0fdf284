-- How strace writes numbers. $value has no sign: it was masked to the bits that count.

-- part: address
if($value = 0, 'NULL', '0x' || lower(to_hex($value)))

-- part: hex
if($value = 0, '0', '0x' || lower(to_hex($value)))

-- printf() and format() take four times as long as to_hex().
-- part: prefixed
'0x' || lower(to_hex($value))

-- part: octal
'0' || to_base(CAST($value AS BIGINT), 8, 2)

-- part: uint
CAST($value AS VARCHAR)

-- $sign: the bit of the sign
-- part: int
CAST(CAST($value AS HUGEINT) - (CAST($value AS HUGEINT) & $sign) * 2 AS VARCHAR)

-- new_decode_dev() of include/linux/kdev_t.h
-- part: device
('makedev(' || $major || ', ' || $minor || ')')

-- part: device_major
(($value >> 8) & 4095)

-- part: device_minor
(($value & 255) | (($value >> 12) & 1048320))

-- include/uapi/asm-generic/ioctl.h
-- part: ioc
(
    '_IOC('
    || (['_IOC_NONE', '_IOC_WRITE', '_IOC_READ', '_IOC_READ|_IOC_WRITE'])[CAST($value >> 30 AS BIGINT) + 1]
    || concat_ws(', ', '', $type, $number, $size)
    || ')'
)

-- part: ioc_type
(($value >> 8) & 255)

-- part: ioc_number
($value & 255)

-- part: ioc_size
(($value >> 16) & 16383)

-- A member or argument of fewer bits than its register.
-- part: masked
($value & $mask)
