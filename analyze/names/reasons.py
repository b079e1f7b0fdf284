"""Why a name is not known."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "not-open": "the descriptor was not open",
    "not-followed": (
        "it was open, or may have been, by a way that calls do not tell of: received, made by another process, "
        "by io_uring"
    ),
    "opened-before": "opened before recording began, and no snapshot has it",
    "calls-lost": "calls were lost between its making and its use",
    "not-recorded": "calls that make, copy or close descriptors, or change directories, were not to be recorded",
    "path-unreadable": "the path could not be read, or not whole",
    "path-empty": "the path was empty, which the kernel refused",
    "base-unknown": (
        "what the path starts at is no directory, or one whose name is not known or has grown too long; or the kernel "
        "was asked not to let the path leave its start (openat2)"
    ),
    "name-unknown": "the call that made it does not say what it is",
    "sharing-unknown": "whether its process shares descriptors or directories with others is not known",
    "not-a-path": "the argument is text that the kernel does not look up",
}
"""The values of ``resolved_reason`` and what they mean."""

NONE = 0
"""No reason: the name is known."""

(
    NOT_OPEN,
    NOT_FOLLOWED,
    OPENED_BEFORE,
    CALLS_LOST,
    NOT_RECORDED,
    PATH_UNREADABLE,
    PATH_EMPTY,
    BASE_UNKNOWN,
    NAME_UNKNOWN,
    SHARING_UNKNOWN,
    NOT_A_PATH,
) = range(1, len(REASONS) + 1)
