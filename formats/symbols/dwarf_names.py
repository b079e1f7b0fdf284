"""Names for the numbers of DWARF: ``OP.DW_OP_deref``, ``FORM.DW_FORM_strp`` and so on, all from pyelftools."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

from elftools.dwarf import constants, dwarf_expr, enums


def _named(numbers: Mapping[str, int]) -> SimpleNamespace:
    return SimpleNamespace(**{name: number for name, number in numbers.items() if name.startswith("DW_")})


CFA = _named({n: number for n, number in vars(constants).items() if n.startswith("DW_CFA_")})
"""Instructions of call frame information. Three of them have an operand in their low six bits."""

EH_PE = _named(enums.DW_EH_encoding_flags)
"""Encodings of pointers in ``.eh_frame``: a format in the low four bits, what it is relative to in the next three."""

OP = _named(dwarf_expr.DW_OP_name2opcode)
"""Operations of expressions."""

FORM = _named(enums.ENUM_DW_FORM)
"""Encodings of attributes."""

AT = _named(enums.ENUM_DW_AT)
"""Attributes."""

TAG = _named(enums.ENUM_DW_TAG)
"""Kinds of entries."""

UT = _named(enums.ENUM_DW_UT)
"""Kinds of units."""

RLE = _named(enums.ENUM_DW_RLE)
"""Kinds of entries in lists of ranges."""

LINE = _named({n: number for n, number in vars(constants).items() if n.startswith(("DW_LNS_", "DW_LNE_", "DW_LNCT_"))})
"""Opcodes of line programs, standard (DW_LNS) and extended (DW_LNE), and what the lists in their headers hold."""
