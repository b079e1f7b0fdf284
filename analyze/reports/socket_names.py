"""What failures and waiting call a socket: its kind, and the address of its peer."""

from __future__ import annotations

from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.reports.network import INTERNET


def socket_names() -> dict[str, str]:
    """Values for a template.

    ``given``: a CTE of that name, the addresses that calls were given (event_id, address); ``internet``: a regular
    expression for names of sockets that have one; ``peer``: the name of such a socket, in a query that joins ``given``.
    """
    return {"given": Fragment(render("given_addresses")), "peer": Fragment(render("peer")), "internet": INTERNET}
