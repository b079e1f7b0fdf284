"""Tokens: what stands for a word in a redacted trace.

A token has the length of its word, the same marks (``-``, ``.``, ``_``) in the same places, and is made of digits if
the word is. The same word has the same token in one file, and another one in the next, because the key is drawn at
random and not kept. Two ASCII words never share a token: a word is encrypted, not hashed.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from math import isqrt

KEY_BYTES = 32
"""The length of a key."""

_DIGITS = string.digits
_LETTERS = string.digits + string.ascii_letters
_HEX = "0123456789abcdef"
_PLACES = {alphabet: {c: i for i, c in enumerate(alphabet)} for alphabet in (_DIGITS, _LETTERS, _HEX)}
_MARKS = frozenset("-._+")
_ROUNDS = 10
_HALF_BYTES = 16
_LONGEST_ENCRYPTED = 20
"""62**20 is less than two of the halves of a round. Of longer words no two share a token by chance either."""

_CACHED = 1 << 16


class Tokens:
    """Makes the tokens of one file, with its secret ``key``.

    ``is_public``: the words that need no token. None of them is a token of another word.
    """

    def __init__(self, key: bytes, is_public: Callable[[str], bool]) -> None:
        self._key = key
        self._is_public = is_public
        self.word = lru_cache(_CACHED)(self._word)

    def hex(self, digits: str) -> str:
        """A token of hexadecimal digits for such a text."""
        return self._stream(digits, _HEX, "hex")

    def data(self, content: bytes) -> bytes:
        """Hexadecimal digits in place of bytes, as many as there are bytes."""
        seed = blake2b(content, key=self._key, person=b"data").digest()
        return self._expanded(seed, len(content)).hex().encode()[: len(content)]

    def number(self, value: int, size: int, what: str) -> int:
        """Another number below ``size``, by a permutation that ``what`` chooses."""
        half = isqrt(max(size - 1, 0)) + 1
        while True:
            left, right = divmod(value, half)
            for turn in range(_ROUNDS):
                left, right = right, (left + self._scramble(right, turn, what)) % half
            value = left * half + right
            if value < size:
                return value

    def _word(self, word: str) -> str:
        """The token of ``word``."""
        letters = "".join(c for c in word if c not in _MARKS)
        alphabet = _DIGITS if letters.isdigit() and letters.isascii() else _LETTERS
        places = _PLACES[alphabet]
        if len(letters) > _LONGEST_ENCRYPTED or any(c not in places for c in letters):
            return self._marked(word, self._stream(word, alphabet, "word"))
        shape = "".join(c if c in _MARKS else "x" for c in word)
        value = 0
        for letter in letters:
            value = value * len(alphabet) + places[letter]
        size = len(alphabet) ** len(letters)
        while True:
            value = self.number(value, size, f"{alphabet[-1]}{shape}")
            rest, made = value, []
            for _ in letters:
                rest, place = divmod(rest, len(alphabet))
                made.append(alphabet[place])
            token = self._marked(word, "".join(reversed(made)))
            # Cycle walking: stepping over what no word of this kind is keeps it a permutation of those that are.
            if not self._is_public(token) and (alphabet is _DIGITS or not token.strip("-._+").isdigit()):
                return token

    @staticmethod
    def _marked(word: str, letters: str) -> str:
        following = iter(letters)
        return "".join(c if c in _MARKS else next(following) for c in word)

    def _stream(self, text: str, alphabet: str, what: str) -> str:
        seed = blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, person=what.encode()).digest()
        return "".join(alphabet[byte % len(alphabet)] for byte in self._expanded(seed, len(text)))

    @staticmethod
    def _expanded(seed: bytes, length: int) -> bytes:
        size = blake2b.MAX_DIGEST_SIZE
        blocks = (blake2b(seed, salt=number.to_bytes(8, "little")).digest() for number in range(-(-length // size)))
        return b"".join(blocks)[:length]

    def _scramble(self, value: int, turn: int, what: str) -> int:
        text = f"{what}:{turn}:{value}".encode()
        return int.from_bytes(blake2b(text, key=self._key, digest_size=_HALF_BYTES).digest(), "little")
