"""As whom the processes of a recorder work that need no rights, and what is opened to them."""

from __future__ import annotations

from typing import Protocol

from bpfrec.record.confinement.identity import Identity, Unchanged, identity_for
from bpfrec.record.session.sudo_user import User


class Place(Protocol):
    """A folder in which such a process is to work."""

    def open_to(self, group: int) -> None:
        """Lets processes with the id ``group`` work in it.

        Raises:
            OSError: the file system of the folder has no groups.
        """


def unprivileged(user: User | None, *places: Place) -> Identity | Unchanged:
    """As whom processes work that need no rights: as ``user``, who called sudo, or as nobody. They may use ``places``.

    Where somebody else cannot do the work, they stay who this process is.
    """
    return opened(identity_for((user.uid, user.groups) if user else None), *places)


def opened(identity: Identity | Unchanged, *places: Place) -> Identity | Unchanged:
    """Opens ``places`` to ``identity``, and returns it; if that fails, its processes stay who this process is."""
    if isinstance(identity, Identity):
        try:
            for place in places:
                place.open_to(identity.gid)
        except OSError as error:
            return Unchanged(f"a folder cannot be opened to others: {error.strerror}")
    return identity
