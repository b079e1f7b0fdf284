"""The result of a comparison: what agrees, which differences are explained, and which are not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

EXPLAINED = {
    "strace's own calls": "made by strace itself and by the children it tries the kernel with, which are recorded too",
    "before the first execve": "made by the child before it executes the program: strace shows it from the execve on",
    "killed at entry": "strace held the thread before the call when it was killed: the call never began, or has ENOSYS",
    "killed at exit": "the thread was killed in the call, which then ends with a result that strace never learns",
    "interrupted by a signal": "strace shows what the kernel does with the call, bpfrec what the program saw: EINTR",
    "another pid": "the number is the id of another process or thread in the other run, at the same place of the tree",
    "another temporary name": "a name that is drawn at random in every run",
    "other contents": "what is read and written holds ids, times and random numbers; there is as much of it",
    "another draw": "how often random numbers are drawn for a name can depend on what was drawn",
    "addresses in the starter": "what the first execve was given stands in the memory of whoever started the program",
}
"""Kinds of differences for which neither side is to blame, and why they occur."""


@dataclass(frozen=True)
class Difference:
    """A difference that nothing explains: ``kind``, the call on both sides."""

    kind: str
    tid: int
    strace: str
    ours: str

    def lines(self, width: int) -> list[str]:
        """Describes the difference for a reader; lines are cut at ``width``."""
        return [
            f"{self.kind}, thread {self.tid}",
            *(f"  {who:8}{text}"[:width] for who, text in (("strace", self.strace), ("bpfrec", self.ours))),
        ]


@dataclass
class Findings:
    """The findings about one program.

    ``agreed`` counts values that agree, by what was compared; ``explained`` counts differences by the keys of
    :data:`EXPLAINED`; ``gaps`` counts arguments that strace shows and that are not recorded, by the title of the gap
    and ``call.argument``.
    """

    program: str
    calls: int = 0
    agreed: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    gaps: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexplained: list[Difference] = field(default_factory=list)

    def explain(self, kind: str, times: int = 1) -> None:
        """Counts an explained difference."""
        if kind not in EXPLAINED:
            raise KeyError(kind)
        if times:
            self.explained[kind] += times

    def add(self, other: Findings) -> None:
        """Adds the findings of another run of the same program."""
        self.calls += other.calls
        for what, times in other.agreed.items():
            self.agreed[f"{what}, {other.program}" if other.program != self.program else what] += times
        self.explained += other.explained
        self.gaps += other.gaps
        self.unexplained += other.unexplained

    def as_json(self) -> dict[str, Any]:
        """Returns the findings for programs to read."""
        return {
            "program": self.program,
            "calls": self.calls,
            "agreed": dict(self.agreed),
            "explained": dict(self.explained),
            "not_recorded": [
                {"gap": title, "argument": argument, "times": times}
                for (title, argument), times in sorted(self.gaps.items())
            ],
            "unexplained": [vars(difference) for difference in self.unexplained],
        }

    def lines(self, width: int = 160, most: int = 20) -> list[str]:
        """Returns the findings for people to read."""
        told = [f"{self.program}: {self.calls} calls compared"]
        told += [f"  {times:8}  {what} agree" for what, times in sorted(self.agreed.items())]
        told += [f"  {times:8}  explained, {kind}: {EXPLAINED[kind]}" for kind, times in sorted(self.explained.items())]
        by_title: dict[str, list[str]] = {}
        for (title, argument), times in sorted(self.gaps.items()):
            by_title.setdefault(title, []).append(f"{argument} {times}")
        told += [f"  not recorded, {title}: {', '.join(arguments)}" for title, arguments in by_title.items()]
        told += [f"  {len(self.unexplained):8}  unexplained"]
        for difference in self.unexplained[:most]:
            told += [f"    {line}" for line in difference.lines(width)]
        if len(self.unexplained) > most:
            told.append(f"    ... and {len(self.unexplained) - most} more")
        return told
