"""What the things that descriptors stand for are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from bpfrec.analyze.names.descriptor_lookup import Changes, DescriptorLookup
from bpfrec.analyze.names.kinds import ACCEPTED, NAMED, OPENED, ROOT, SOCKET
from bpfrec.analyze.names.paths import ALL_PARTS, joined, stays_canonical
from bpfrec.analyze.names.reasons import BASE_UNKNOWN, NAME_UNKNOWN, NONE, NOT_RECORDED
from bpfrec.analyze.names.sockets import Socket, from_name, last_before
from bpfrec.formats.numeric.asof import AsOf, Booleans, Integers, Numbers

_ROUNDS = 64
_PATH_MAX = 4096
OWN_ROOT = 0
"""The name of a root that the trace knows nothing of: the process's own."""


@dataclass(frozen=True)
class Addresses:
    """The rows of ``addresses.sql``, by column; ``address`` None: it has none any more."""

    caller: Integers
    fd: Integers
    seen: Integers
    at: Integers
    is_local: Booleans
    address: list[str | None]


@dataclass
class Names:
    """Names by number; those of :attr:`canonical` have no symbolic link in them, and a root does not end them.

    ``one_root``: whether all processes have the same root.
    """

    one_root: bool = True
    text: list[str] = field(default_factory=lambda: ["/"])
    canonical: list[bool] = field(default_factory=lambda: [True])
    _numbers: dict[tuple[str, bool], int] = field(default_factory=lambda: {("/", True): OWN_ROOT})

    def number(self, text: str, canonical: bool = False) -> int:
        """The number of a name."""
        canonical &= self.one_root
        found = self._numbers.setdefault((text, canonical), len(self.text))
        if found == len(self.text):
            self.text.append(text)
            self.canonical.append(canonical)
        return found


class Naming:
    """Names every change that began something; ``texts``: what :attr:`Changes.text` numbers.

    ``addressing``: whether the calls that give sockets addresses were recorded.
    """

    def __init__(self, lookup: DescriptorLookup, texts: list[str], addresses: Addresses, addressing: bool) -> None:
        self.lookup = lookup
        self._changes: Changes = lookup.changes
        self._texts = texts
        changes = self._changes
        self._origin, self._reason = lookup.origins()
        self._name = np.full(len(changes.kind), -1)
        plain = [number for number, text in enumerate(texts) if text == "/"]
        usual = changes.snapshot & np.isin(changes.text, plain)
        self.names = Names(one_root=not ((changes.fd == ROOT) & ~usual).any())
        self._name_plainly()
        self._sockets: dict[int, Socket] = {}
        self._versions = AsOf(np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._version_name = np.zeros(0, np.int64)
        if addressing:
            self._name_sockets(addresses)
        else:
            self._reason[(changes.kind == SOCKET) | (changes.kind == ACCEPTED)] = NOT_RECORDED
        self._name_paths()

    def find(self, callers: Integers, fds: Integers, times: Integers) -> tuple[Integers, Integers]:
        """The name of what each number means to a thread at that time, -1 for none, and the reason then."""
        if self.names.one_root and (is_root := fds == ROOT).any():
            # All have the same: most calls that name something say an absolute path.
            name, reason = np.full(len(callers), OWN_ROOT), np.full(len(callers), NONE)
            rest = np.flatnonzero(~is_root)
            name[rest], reason[rest] = self._find(callers[rest], fds[rest], times[rest])
            return name, reason
        return self._find(callers, fds, times)

    def _find(self, callers: Integers, fds: Integers, times: Integers) -> tuple[Integers, Integers]:
        change, reason = self.lookup.find(callers, fds, times)
        origin = np.where(change >= 0, self._origin[change] if len(self._origin) else -1, -1)
        reason = np.where(change >= 0, self._reason_of(origin, change), reason)
        name = np.full(len(callers), -1)
        known = np.flatnonzero(origin >= 0)
        name[known] = self._name_at(origin[known], times[known])
        # Where nothing is known of a root, paths are told from the process's own.
        own = (fds == ROOT) & (name < 0) & (change < 0)
        name[own] = OWN_ROOT
        reason = np.where(name >= 0, NONE, np.where(reason == NONE, NAME_UNKNOWN, reason))
        return name, reason

    def names_at(self, changes: Integers, times: Integers) -> Integers:
        """The number of the name of what each change gave its descriptor, at that time; -1 for none."""
        origin = self._origin[changes]
        name = np.full(len(changes), -1)
        known = np.flatnonzero(origin >= 0)
        name[known] = self._name_at(origin[known], times[known])
        return name

    def numbers(self) -> Integers:
        """Every number that was a descriptor, working directory or root of some process, in order."""
        return np.unique(self._changes.fd[self._changes.fd >= ROOT]).astype(np.int64)

    def are_places(self) -> Booleans:
        """Whether each name can have paths behind it."""
        return np.array([text.startswith("/") for text in self.names.text], bool)

    def _name_plainly(self) -> None:
        """Gives names to what is called as the change says."""
        rows = np.flatnonzero(self._changes.kind == NAMED)
        said, place = np.unique(self._changes.text[rows] << 2 | self._changes.no_links[rows], return_inverse=True)
        made = [self.names.number(self._texts[key >> 2], key & 3 == ALL_PARTS) for key in said.tolist()]
        self._name[rows] = np.array(made, np.int64)[place]

    def _reason_of(self, origin: Integers, change: Integers) -> Integers:
        """Why what began with ``origin``, or that of ``change`` where it is not known, has no name."""
        if not len(self._reason):
            return np.full(len(change), NONE)
        return np.where(origin >= 0, self._reason[origin], self._reason[change])

    def _name_at(self, origin: Integers, times: Integers) -> Integers:
        version = self._versions.last(origin, times)
        if not len(self._version_name):
            return self._name[origin]
        return np.where(version >= 0, self._version_name[np.maximum(version, 0)], self._name[origin])

    def _name_sockets(self, addresses: Addresses) -> None:
        changes = self._changes
        for change in np.flatnonzero(changes.kind == SOCKET).tolist():
            text = self._texts[changes.text[change]]
            self._set_socket(change, from_name(text) if changes.snapshot[change] else Socket(text))
        holder, _ = self.lookup.find(addresses.caller, addresses.fd, addresses.seen)
        owner = np.where(holder >= 0, self._origin[holder] if len(self._origin) else -1, -1)
        listening = self._follow_addresses(addresses, owner)
        accepted = np.flatnonzero(changes.kind == ACCEPTED)
        source, _ = self.lookup.find(changes.caller[accepted], changes.source[accepted], changes.entered[accepted])
        origin = np.where(source >= 0, self._origin[source] if len(self._origin) else -1, -1)
        versions = self._versions.last(origin, changes.entered[accepted])
        for change, listener, version in zip(accepted.tolist(), origin.tolist(), versions.tolist(), strict=True):
            known = listening[version] if version >= 0 else self._sockets.get(listener)
            if known is not None:
                self._set_socket(change, Socket(known.type, known.local, None, accepted=True))
            else:
                self._reason[change] = NAME_UNKNOWN
        self._follow_addresses(addresses, owner)

    def _set_socket(self, change: int, socket: Socket) -> None:
        self._sockets[change] = socket
        self._name[change] = self.names.number(socket.name)

    def _follow_addresses(self, addresses: Addresses, owner: Integers) -> list[Socket]:
        """Makes a version of each socket for every address it gets, in the order of :attr:`_versions`."""
        known = np.array([int(o) in self._sockets for o in owner], bool)
        rows = np.flatnonzero(known)
        self._versions = AsOf(owner[rows], addresses.at[rows])
        rows, groups = rows[self._versions.order], self._versions.keys
        local = last_before(groups, addresses.is_local[rows])
        peer = last_before(groups, ~addresses.is_local[rows])
        sockets = []
        for place, group in enumerate(groups):
            first = self._sockets[int(group)]
            sockets.append(
                Socket(
                    first.type,
                    addresses.address[rows[local[place]]] if local[place] >= 0 else first.local,
                    addresses.address[rows[peer[place]]] if peer[place] >= 0 else first.peer,
                    first.accepted,
                )
            )
        self._version_name = np.array([self.names.number(socket.name) for socket in sockets], np.int64)
        return sockets

    def _name_paths(self) -> None:
        """Names what paths opened, those first whose directory's name does not hang on others."""
        changes = self._changes
        paths = np.flatnonzero(changes.kind == OPENED)
        base, reason = np.full(len(paths), -1), np.full(len(paths), NONE)
        asked = np.flatnonzero((changes.source[paths] != ROOT) | (not self.names.one_root))
        rows = paths[asked]
        base[asked], reason[asked] = self.lookup.find(changes.caller[rows], changes.source[rows], changes.entered[rows])
        own = (changes.source[paths] == ROOT) & (base < 0)
        origin = np.where(base >= 0, self._origin[base] if len(self._origin) else -1, -1)
        reason = np.where(base >= 0, self._reason_of(origin, base), reason)
        base_of = np.full(len(changes.kind), -1)
        base_of[paths] = origin
        self._reason[paths] = np.where(own, NONE, reason)
        level = _levels(base_of)[paths]
        order = np.argsort(level, kind="stable")
        paths, own = paths[order], own[order]
        ends = np.flatnonzero(np.diff(level[order], append=-1)) + 1
        for begin, end in pairwise((0, *ends)):
            rows, base = paths[begin:end], base_of[paths[begin:end]]
            start = np.where(own[begin:end], OWN_ROOT, np.where(base >= 0, self._name[base], -1))
            self._name[rows] = self._join_all(start, changes.text[rows], changes.no_links[rows])
            why = np.where(base >= 0, self._reason[base], self._reason[rows])
            why = np.where(why == NONE, BASE_UNKNOWN, why)
            self._reason[rows] = np.where(self._name[rows] >= 0, NONE, why)

    def _join_all(self, start: Integers, text: Numbers, no_links: Numbers) -> Integers:
        """The numbers of the names of paths; each that comes again is made once."""
        key = (start << 2 | no_links) << 32 | text
        first, place = np.array([0]), np.array([0])
        if len(key) > 1:
            _, first, place = np.unique(key, return_index=True, return_inverse=True)
        made = [self._join(int(start[i]), int(text[i]), int(no_links[i])) if start[i] >= 0 else -1 for i in first]
        names: Integers = np.array(made, np.int64)[place]
        return names

    def _join(self, start: int, text: int, no_links: int) -> int:
        base, path = self.names.text[start], self._texts[text]
        if not base.startswith("/"):
            return -1
        canonical = self.names.canonical[start]
        name = joined(base, canonical, path)
        # Without end ``chdir("a"); chdir("..")`` would make names without end.
        return self.names.number(name, stays_canonical(canonical, path, no_links)) if len(name) < _PATH_MAX else -1


def _levels(base: Integers) -> Integers:
    """How many steps lead from each row over its base to one without."""
    level, jump = (base >= 0).astype(np.int64), base.copy()
    on = np.flatnonzero(jump >= 0)
    for _ in range(_ROUNDS):
        on = on[jump[on] >= 0]
        if not len(on):
            break
        further = jump[on]
        level[on] += level[further]
        jump[on] = jump[further]
    return level
