"""Messages of sendmsg(2) and recvmsg(2): a struct, an address, buffers, and descriptors that are passed."""

from __future__ import annotations

from dataclasses import replace

from bpfrec.analyze.decode.arrays import array_join, buffer_parts, buffers_text, listed
from bpfrec.analyze.decode.contents import data_join, data_parts
from bpfrec.analyze.decode.copies import Copied, Part, joined
from bpfrec.analyze.decode.functions import written
from bpfrec.analyze.decode.structs import struct, values
from bpfrec.formats.kernel.syscalls import Capture, Syscall

_HEADER = 16
"""``struct cmsghdr``; a header with its data fills up to a multiple of 8 bytes."""


def message(_call: Syscall, capture: Capture) -> Copied:
    """The members of the msghdr, and what it points at."""
    index, phase = capture.index, "exit" if capture.at_exit else "entry"
    row, buffers, name, passed, contents = (f"{letter}{index}" for letter in "canrd")
    header = struct(capture)
    value = values(row, capture.kind)
    vector = array_join(index, "iovec", phase, buffers)
    rights = array_join(index, "scm_rights", phase, passed)
    address = joined("sockaddrs", name, index)
    (fds, fds_status), why = _descriptors(passed), "NULL: whole, or there are none; else truncated, unreadable, lost"
    both = (*header.late, vector)
    total, count, status = buffer_parts(buffers, vector, none=f"{value('msg_iovlen')} = 0")
    place = "IP address, path of a unix socket ... as in sockaddrs"
    parts = (
        *header.parts,
        *(
            replace(part, comment=part.comment.replace("status", "buffers_status"), late=both)
            for part in (total, count)
        ),
        replace(status, suffix="_buffers_status"),
        Part("_family", "VARCHAR", "address family; NULL: no address", f"address_family({name}.family)", (address,)),
        Part("_address", "VARCHAR", place, f"{name}.address", (address,)),
        Part("_port", "INTEGER", "port; NULL: the family has none", f"{name}.port", (address,)),
        Part("_fds", "INTEGER[]", "descriptors passed with it (SCM_RIGHTS)", fds, (rights,)),
        Part("_fds_status", "VARCHAR", why, fds_status, (rights,)),
        *data_parts(index),
    )
    moved = "greatest(s.ret, 0)" if capture.at_exit else "NULL"
    texts = buffers_text(buffers, contents, moved=moved, has_contents=True)
    empty = f"{value('msg_iovlen')} = 0 AND {value('msg_iov')} != 0"
    iov = f"coalesce({listed(buffers, texts, empty=empty)}, {written('address', value('msg_iov'), 64)})"
    peer = f"sockaddr_text({name}.family, {name}.address, {name}.port, {name}.extra, {name}.status)"
    control = _control(value("msg_control"), value("msg_controllen"), passed)
    text = (
        f"('{{msg_name=' || coalesce({peer}, {written('address', value('msg_name'), 64)})"
        f" || ', msg_namelen=' || {written('int', value('msg_namelen'), 32)} || ', msg_iov=' || {iov}"
        f" || ', msg_iovlen=' || {value('msg_iovlen')} || {control}"
        f" || ', msg_controllen=' || {value('msg_controllen')} || ', msg_flags=' || msg_flags({value('msg_flags')})"
        f" || '}}')"
    )
    return Copied(parts, text, (*header.late, vector, rights, address, data_join(index)))


def _descriptors(row: str) -> tuple[str, str]:
    each = written("int", "(fd & 4294967295)", 32)
    return f"CASE WHEN {row}.status IS NULL THEN [CAST({each} AS INTEGER) FOR fd IN {row}.first] END", f"{row}.status"


def _control(control: str, length: str, row: str) -> str:
    """SQL for the control data: descriptors where that is all there is, else its address."""
    size = f"({_HEADER} + 4 * len({row}.first))"
    descriptors, _ = _descriptors(row)
    rights = (
        f"'[{{cmsg_len=' || {size} || ', cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=['"
        f" || array_to_string({descriptors}, ', ') || ']}}]'"
    )
    # A last header may go without the bytes that fill it up.
    alone = f"{row}.status IS NULL AND {length} IN ({size}, ({size} + 7) // 8 * 8)"
    whole = f"CASE WHEN {alone} THEN {rights} ELSE {written('address', control, 64)} END"
    return f"CASE WHEN {length} = 0 THEN '' ELSE ', msg_control=' || {whole} END"
