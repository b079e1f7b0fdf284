-- Raw syscall arguments (UBIGINT, as the register held them) as the C types of the kernel.
-- The exclusive or moves the sign bit, so that one subtraction restores the sign without an overflow.

CREATE MACRO c_int(x) AS
    CAST(CAST(xor(x & 4294967295::UBIGINT, 2147483648::UBIGINT) AS BIGINT) - 2147483648 AS INTEGER);

CREATE MACRO c_uint(x) AS
    CAST(x & 4294967295::UBIGINT AS UINTEGER);

CREATE MACRO c_ushort(x) AS
    CAST(x & 65535::UBIGINT AS USMALLINT);

CREATE MACRO c_short(x) AS
    CAST(CAST(xor(x & 65535::UBIGINT, 32768::UBIGINT) AS INTEGER) - 32768 AS SMALLINT);

CREATE MACRO c_long(x) AS
    CAST(CAST(xor(x, 9223372036854775808::UBIGINT) AS HUGEINT) - 9223372036854775808 AS BIGINT);
