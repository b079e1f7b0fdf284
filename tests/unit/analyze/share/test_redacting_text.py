"""Words, addresses and texts of a redacted trace."""

from __future__ import annotations

import string
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.analyze.share.addresses import redacted_address
from bpfrec.analyze.share.public import public_names
from bpfrec.analyze.share.text import TextRedactor
from bpfrec.analyze.share.words import Tokens

KEY = bytes(range(32))
TEXT = TextRedactor(KEY)
TOKENS = Tokens(KEY, lambda _: False)
WORDS = st.text(string.ascii_letters + string.digits + "-._+", min_size=1, max_size=40)


@given(WORDS)
def test_a_token_has_the_shape_of_its_word(word: str) -> None:
    token = TOKENS.word(word)
    assert [c if c in "-._+" else "x" for c in token] == [c if c in "-._+" else "x" for c in word]
    letters = word.translate(str.maketrans("", "", "-._+"))
    assert token.translate(str.maketrans("", "", "-._+")).isdigit() == letters.isdigit()


def test_no_two_words_share_a_token() -> None:
    letters = string.ascii_letters + string.digits
    words = [a + b for a in letters for b in letters] + [f"{n:03d}" for n in range(1000)]
    assert len({TOKENS.word(word) for word in words}) == len(words)
    assert {TOKENS.word(word) for word in words} == set(words)


def test_no_token_is_a_public_name() -> None:
    public = public_names()
    letters = string.ascii_lowercase + string.digits
    words = [a + b + c for a in letters for b in letters for c in letters[:6]]
    assert any(word in public for word in words)
    secret = [word for word in words if word not in public and not word.isdigit()]
    tokens = {TEXT.whole(word) for word in secret}
    assert len(tokens) == len(secret)
    assert not [token for token in tokens if token in public]


def test_another_file_has_other_tokens() -> None:
    assert TextRedactor(bytes(32)).whole("/srv/acme-billing") != TEXT.whole("/srv/acme-billing")


@given(st.text(max_size=60))
def test_any_text_keeps_its_length_or_has_an_address(text: str) -> None:
    made = TEXT.whole(text)
    assert made == TEXT.whole(text)
    if len(made) != len(text):
        assert ":" in text or "." in text


@pytest.mark.parametrize(
    "text",
    [
        *("/usr/lib/x86_64-linux-gnu/libc.so.6", "/proc/4242/fd/7", "/proc/self/task/31876/comm", "socket:[1253968]"),
        *("pipe:[55352]", "anon_inode:[eventpoll]", "/dev/pts/0", "/usr/bin/python3.11", "perf-8583.map", "[vdso]"),
        *("/etc/ld.so.cache", "//anon", "TCP 127.0.0.1:80->127.0.0.1:4", "-O2", "--config", "-o", "..", "", "./a"),
        *("[kernel]", "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13", "UDP [::1]:53", "0.0.0.0", "/memfd:a (deleted)"),
    ],
)
def test_what_every_system_has_stays(text: str) -> None:
    assert TEXT.whole(text) == text


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("/home/alice/acme/billing.conf", ("alice", "acme", "billing")),
        ("mysql -phunter22 --password=hunter22", ("hunter22",)),
        ("postgres://alice:s3cr3t@db.acme.example:5432/orders?x=y1z2", ("alice", "s3cr3t", "acme", "orders", "y1z2")),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ("wJalr", "MDENG", "EXAMPLEKEY")),
        ("curl -H 'Authorization: Bearer eyJhbGciOi.eyJzdWIi.SflKxwRJ'", ("eyJhbGciOi", "SflKxwRJ")),
        ("/usr/lib/libacme.so.2", ("acme",)),
        ("JS:~handleRequest /srv/shop/server.js:18:23", ("handleRequest", "shop")),
        ("_ZN4acme7billingEv", ("acme", "billing")),
        ("4111 1111 1111 1111", ("4111", "1111")),
        ("Müller-Straße", ("ller", "Stra", "ü", "ß")),
        ("db=10.1.2.3", ("10.1.2.3",)),
    ],
)
def test_secrets_are_replaced(text: str, secrets: tuple[str, ...]) -> None:
    made = TEXT.whole(text)
    assert not [secret for secret in secrets if secret in made]


def test_a_file_has_one_name_wherever_it_stands() -> None:
    path = TEXT.whole("/srv/acme/billing.conf")
    for template in ("--config={}", "cat '{}'", "ACME_CONF={}:/usr/bin", "{}", "JS:~main {}:18:23"):
        assert path in TEXT.whole(template.format("/srv/acme/billing.conf"))
    assert TEXT.whole("acme/billing.conf") == path.removeprefix("/srv/").replace(path.split("/")[1] + "/", "", 1)
    assert path.endswith(".conf")


def test_only_some_words_are_replaced_if_only_they_are_asked_for() -> None:
    text = TextRedactor(KEY, private=("alice", "web1"))
    made = text.only_private("/home/alice/src/alice.conf on web1.example for malice")
    assert "alice/" not in made
    assert made.startswith("/home/")
    assert made.endswith("for malice")
    assert "/src/" in made
    assert text.only_addresses("alice at 10.1.2.3").startswith("alice at 10.")
    assert not text.is_public("/home/alice")


def test_words_to_keep_are_kept() -> None:
    assert TextRedactor(KEY, kept=("acmed",)).whole("/srv/acmed/acmed.conf") == "/srv/acmed/acmed.conf"


@given(st.ip_addresses())
def test_an_address_becomes_one_of_its_kind(address: object) -> None:
    before = ip_address(str(address))
    made = redacted_address(str(before), TOKENS)
    assert made is not None
    after = ip_address(made)
    kinds = ("version", "is_private", "is_loopback", "is_link_local", "is_multicast", "is_unspecified")
    if before.version == 4 or before.is_link_local or before.is_loopback or before.is_multicast:
        assert after.is_multicast == before.is_multicast
        assert after.is_loopback == before.is_loopback
        assert after.is_link_local == before.is_link_local
    assert [getattr(after, kind) for kind in kinds[:1]] == [getattr(before, kind) for kind in kinds[:1]]


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("10.1.2.3", "10."),
        ("192.168.7.9", "192.168."),
        ("169.254.1.1", "169.254."),
        ("fe80::1%2", "fe"),
        ("fd00::1", "f"),
        ("::ffff:10.1.2.3", "::ffff:"),
    ],
)
def test_private_addresses_stay_private(address: str, prefix: str) -> None:
    made = redacted_address(address, TOKENS)
    assert made is not None
    assert made.startswith(prefix)
    assert made != address
    assert made.endswith("%2") == address.endswith("%2")
    assert ip_address(made.partition("%")[0]).is_private == ip_address(address.partition("%")[0]).is_private


def test_public_addresses_stay_public() -> None:
    for number in range(200):
        made = redacted_address(f"8.8.{number}.1", TOKENS)
        assert made is not None
        assert ip_address(made).is_global or ip_address(made).is_reserved is False
        assert not made.startswith(("10.", "127.", "192.168.", "169.254.", "0."))
    assert redacted_address("no address", TOKENS) is None
