"""Text in a redacted trace: each word that may be secret is replaced, and what holds the words together stays.

A path keeps its slashes, a command line its quotes and dashes, an address its port. A word has one token, whatever
stands around it, so that a file has the same name in a path, in an argument and in an environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from bpfrec.analyze.share.addresses import IN_TEXT, redacted_address
from bpfrec.analyze.share.public import is_public_suffix, public_names
from bpfrec.analyze.share.words import Tokens

_BETWEEN = r"\s\x00-\x1f/=:,;@\"'`\\()\[\]{}<>|&?*#!$^%~"
_WORD = re.compile(rf"[^{_BETWEEN}.+\-](?:[^{_BETWEEN}]*[^{_BETWEEN}.+\-])?")
# The numbers that these end with are process ids, descriptors and inodes.
_BEFORE_ID = re.compile(
    r"(?:(?:^|/)(?:proc|task|fd|fdinfo|map_files|pts)/|(?:pipe|socket|net|mnt|pid|user|uts|ipc|cgroup|time):\[)$"
)
_LONGEST_BEFORE = 12
_MOST_KEPT_DIGITS = 2
_CACHED = 1 << 16


class TextRedactor:
    """Replaces words. ``private``: words that are never public, as the names of users and of the host; ``kept``: words
    that are not secret here.
    """

    def __init__(self, key: bytes, private: Iterable[str] = (), kept: Iterable[str] = ()) -> None:
        self._public = public_names()
        self._private, self._kept = frozenset(private), frozenset(kept)
        self.tokens = Tokens(key, self._is_kept)
        self.whole = lru_cache(_CACHED)(self._whole)

    def is_public(self, text: str) -> bool:
        """Whether nothing in ``text`` would be replaced."""
        return self.whole(text) == text

    def only_addresses(self, text: str) -> str:
        """``text`` with other IP addresses."""
        return IN_TEXT.sub(lambda found: redacted_address(found[0], self.tokens) or found[0], text)

    def only_private(self, text: str) -> str:
        """``text`` with other words in place of :attr:`private` ones."""
        if not self._private:
            return text
        return _WORD.sub(lambda found: self._word_of_some(found[0]), text)

    def _whole(self, text: str) -> str:
        """``text`` with tokens for all words that are not public, and other IP addresses."""
        made, at = [], 0
        for found in IN_TEXT.finditer(text):
            address = redacted_address(found[0], self.tokens)
            if address is not None:
                made += [self._words(text[at : found.start()]), address]
                at = found.end()
        return "".join([*made, self._words(text[at:])])

    def _words(self, text: str) -> str:
        def token(found: re.Match[str]) -> str:
            word = found[0]
            if word.isdigit() and _BEFORE_ID.search(text, max(0, found.start() - _LONGEST_BEFORE), found.start()):
                return word
            return self._word(word)

        return _WORD.sub(token, text)

    def _word(self, word: str) -> str:
        if self._is_kept(word):
            return word
        stem, suffix = _without_suffix(word)
        return (stem if self._is_kept(stem) else self.tokens.word(stem)) + suffix

    def _word_of_some(self, word: str) -> str:
        stem, suffix = _without_suffix(word)
        if word in self._private:
            return self.tokens.word(word)
        return self.tokens.word(stem) + suffix if stem in self._private else word

    def _is_kept(self, word: str) -> bool:
        if word in self._private:
            return False
        return (
            len(word) == 1
            or (len(word) <= _MOST_KEPT_DIGITS and word.isdigit())
            or word in self._kept
            or word in self._public
        )


def _without_suffix(word: str) -> tuple[str, str]:
    """``word`` in two: its stem, and suffixes that say what kind of file it is: ``.so.6``, ``.tar.gz``."""
    stem = word
    while True:
        before, dot, last = stem.rpartition(".")
        if not before or not dot or not is_public_suffix(last):
            break
        stem = before
    rest = word[len(stem) :]
    # Numbers are versions only behind a suffix.
    if rest and not any(not part.isdigit() for part in rest.split(".") if part):
        return word, ""
    return stem, rest
