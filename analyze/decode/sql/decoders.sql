-- Bodies of the macros that decoders.tsv describes. Their parameters are value and, where another argument decides, selector.

-- part: masked
(value & $width)

-- An error number comes with either sign.
-- part: magnitude
abs(CAST(value AS HUGEINT))

-- part: chosen
CASE $tests ELSE $rest END

-- part: choice
WHEN selector & $mask IN $values THEN $decoder(value)

-- The whole value is one number.
-- part: name_or_rest
coalesce($name, $rest)

-- A constant list is searched: a CASE takes as long to run, and longer to prepare, since it copies the value.
-- part: looked_up
list_extract([$texts], list_position([$numbers]::UBIGINT[], CAST($value AS UBIGINT)))

-- part: flags
CASE WHEN value IS NOT NULL THEN concat_ws('|', $texts) END

-- part: flags_or_nothing
CASE WHEN $value = 0 THEN $nothing WHEN value IS NOT NULL THEN concat_ws('|', $texts) END

-- Some bits that together are one number.
-- part: field
coalesce($name, '0x' || lower(to_hex(nullif($field, 0))))

-- part: bits
value & $mask

-- part: flag
CASE WHEN $tests THEN $name END

-- part: is_set
value & $bits = $bits

-- part: is_not_set
value & $bits != $bits

-- part: unnamed
'0x' || lower(to_hex(nullif(value & $bits, 0)))
