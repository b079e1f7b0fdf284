"""Messages of sendmsg(2) and recvmsg(2): a struct, an address, buffers, and descriptors that are passed."""

from __future__ import annotations

from dataclasses import replace

from bpfrec.analyze.decode.captures.buffers import buffer_columns, buffer_texts, bytes_moved
from bpfrec.analyze.decode.captures.strings import data_columns, data_join, data_row
from bpfrec.analyze.decode.captures.structs import member_values, struct
from bpfrec.analyze.decode.captures.view import (
    CaptureColumn,
    CaptureView,
    array_join,
    array_text,
    column,
    name_of_row,
    row_join,
)
from bpfrec.analyze.decode.number_texts import number_text
from bpfrec.analyze.decode.sql_parts import sql
from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.formats.kernel.syscalls import Capture, Syscall

_HEADER_BYTES = 16
"""``struct cmsghdr``."""


def message(_call: Syscall, capture: Capture) -> CaptureView:
    """The members of the msghdr, and what it points at."""
    index, phase = capture.index, "exit" if capture.at_exit else "entry"
    buffers, name, passed = (name_of_row(letter, index) for letter in "anr")
    header = struct(capture)
    value = member_values(name_of_row("c", index), capture.kind)
    vector = array_join(buffers, index, "iovec", phase)
    rights = array_join(passed, index, "scm_rights", phase)
    address = row_join("sockaddrs", name, index)
    why = "NULL: whole, or there are none; else truncated, unreadable, lost"
    both = (*header.joins, vector)
    none = sql("messages.no_buffers", count=value("msg_iovlen"))
    total, count, status = buffer_columns(buffers, vector, none=none)
    family, place = sql("captures.family", row=name), "IP address, path of a unix socket ... as in sockaddrs"
    columns = (
        *header.columns,
        *(replace(c, comment=c.comment.replace("status", "buffers_status"), joins=both) for c in (total, count)),
        replace(status, suffix="_buffers_status"),
        CaptureColumn("_family", "VARCHAR", "address family; NULL: no address", family, (address,)),
        CaptureColumn("_address", "VARCHAR", place, column(name, "address"), (address,)),
        CaptureColumn("_port", "INTEGER", "port; NULL: the family has none", column(name, "port"), (address,)),
        CaptureColumn("_fds", "INTEGER[]", "descriptors passed with it (SCM_RIGHTS)", _descriptors(passed), (rights,)),
        CaptureColumn("_fds_status", "VARCHAR", why, column(passed, "status"), (rights,)),
        *data_columns(index),
    )
    texts = buffer_texts(buffers, data_row(index), moved=bytes_moved(given_back=capture.at_exit))
    empty = sql("messages.no_buffers_but_a_vector", count=value("msg_iovlen"), vector=value("msg_iov"))
    text = sql(
        "messages.text",
        name=_or_address(sql("captures.sockaddr_text", row=name), value("msg_name")),
        name_length=number_text("int", value("msg_namelen"), 32),
        vector=_or_address(array_text(buffers, texts, empty=empty), value("msg_iov")),
        count=value("msg_iovlen"),
        control=_control(passed, value("msg_control"), value("msg_controllen")),
        control_length=value("msg_controllen"),
        flags=value("msg_flags"),
    )
    return CaptureView(columns, text, (*header.joins, vector, rights, address, data_join(index)))


def _or_address(text: Fragment, pointer: Fragment) -> Fragment:
    return sql("messages.or_address", text=text, address=number_text("address", pointer, 64))


def _descriptors(row: Fragment) -> Fragment:
    return sql("messages.descriptors", row=row, fd=number_text("int", sql("messages.descriptor"), 32))


def _control(row: Fragment, control: Fragment, length: Fragment) -> Fragment:
    """SQL for the control data; ``row`` has the descriptors in it."""
    return sql(
        "messages.control",
        row=row,
        length=length,
        header=_HEADER_BYTES,
        descriptors=_descriptors(row),
        address=number_text("address", control, 64),
    )
