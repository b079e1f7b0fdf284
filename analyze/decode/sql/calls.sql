-- The text of a whole call, over a row s of syscalls.

-- part: argument
s.arg$index

-- part: failed
s.ret IS NULL OR s.ret BETWEEN $lowest AND -1

-- part: where_worked
CASE WHEN NOT ($failed) THEN $text END

-- part: call
concat($opening, $arguments, ') = ', $result)

-- part: arguments
concat_ws(', ', $texts)

-- part: result_with_remark
concat($result, ' (' || $remark || ')')

-- part: labelled
concat($label, $text)

-- part: where_it_counts
CASE WHEN $test THEN $text END

-- part: path
coalesce(quoted_text(s.$column, s.${column}_status), $address)

-- part: copied_or_number
coalesce($copied, $number)

-- Where another argument says that this one is a number, it points at nothing.
-- part: number_or_copied
CASE WHEN $number_says THEN $number ELSE $copied END

-- part: chosen
$decoder($selector, $value)

-- part: decoded
$decoder($value)

-- part: has_value
$argument & $mask = $value

-- part: either
($tests)

-- part: not
NOT $test

-- part: result
result_text(s.ret)

-- part: result_or_error
CASE WHEN $failed THEN result_text(s.ret) ELSE $worked END

-- A result that is flags is written as a number, too.
-- part: result_with_flags
CASE WHEN $says AND $flags != '0'
THEN concat($hex, ' (flags ', $flags, ')')
ELSE CAST(s.ret AS VARCHAR) END
