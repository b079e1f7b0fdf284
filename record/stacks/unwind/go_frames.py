"""Unwind rules for Go's functions, in the form of :mod:`.cfi`: their frames are found by the stack pointer alone.

Source: src/cmd/compile/abi-internal.md of Go, "Architecture specifics", amd64. The return address is above the frame,
the caller's frame pointer in the frame's last word.
"""

from __future__ import annotations

from typing import NamedTuple

from bpfrec.formats.symbols.go_functions import BadGoTableError, GoFunctions
from bpfrec.record.stacks.unwind.cfi import CfiRow, How, Rule
from bpfrec.record.stacks.unwind.encoding import BadUnwindInfoError

_RBP, _RSP, RETURN_ADDRESS = 6, 7, 16
_WORD = 8


class GoRules(NamedTuple):
    """The rules at an instruction; ``switches_stacks``: the function may run on another stack than its caller."""

    row: CfiRow
    switches_stacks: bool


def go_rules(functions: GoFunctions, address: int) -> GoRules | None:
    """The rules at ``address``, as the file numbers it; None where no Go function is.

    Raises:
        BadUnwindInfoError: the table is damaged there.
    """
    function = functions.find(address)
    if function is None:
        return None
    if function.is_root:
        return GoRules(CfiRow(_RSP, _WORD, None, {RETURN_ADDRESS: Rule(How.UNDEFINED)}), switches_stacks=False)
    try:
        moved = functions.stack_moved(address)
    except BadGoTableError as error:
        raise BadUnwindInfoError(str(error)) from None
    if moved is None:
        return None
    rules = {RETURN_ADDRESS: Rule(How.OFFSET, -_WORD)}
    if moved:
        rules[_RBP] = Rule(How.OFFSET, -2 * _WORD)
    return GoRules(CfiRow(_RSP, moved + _WORD, None, rules), function.switches_stacks)
