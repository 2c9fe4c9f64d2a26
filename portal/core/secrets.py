"""Secrets at rest and in memory: a value that does not print itself, sealed with a ring of keys."""

import base64
import hashlib
import hmac
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE_BYTES = 12


class CannotOpen(Exception):
    """No key of the ring opens this: the key is missing, or the value was moved to another row."""


class Secret:
    """Text that shows dots wherever it might be printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('••••')"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("A Secret is never pickled.")


def seal(secret: Secret, *, context: str) -> str:
    """Encrypt with the newest key, bound to `context` (table, row and field)."""
    key_id, key = next(iter(_ring(tuple(settings.FIELD_KEYS)).items()))
    nonce = os.urandom(NONCE_BYTES)
    box = AESGCM(key).encrypt(nonce, secret.reveal().encode(), f"{key_id}:{context}".encode())
    return f"{key_id}:{base64.b64encode(nonce + box).decode()}"


def unseal(sealed: str, *, context: str) -> Secret:
    """Decrypt what `seal` made for the same context."""
    key_id, _, body = sealed.partition(":")
    key = _ring(tuple(settings.FIELD_KEYS)).get(key_id)
    if key is None:
        raise CannotOpen(f"No key {key_id!r} in PORTAL_FIELD_KEYS.")
    raw = base64.b64decode(body)
    try:
        text = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], f"{key_id}:{context}".encode())
    except InvalidTag as error:
        raise CannotOpen(f"Key {key_id!r} does not open the value of {context}.") from error
    return Secret(text.decode())


def fingerprint(text: str) -> str:
    """A keyed digest, for looking a token up without storing it."""
    key = next(iter(_ring(tuple(settings.FIELD_KEYS)).values()))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def fingerprints(text: str) -> list[str]:
    """The digest under each key of the ring, newest first, so that rotation keeps tokens alive."""
    return [
        hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        for key in _ring(tuple(settings.FIELD_KEYS)).values()
    ]


@lru_cache(maxsize=8)
def _ring(entries: tuple[str, ...]) -> dict[str, bytes]:
    """`["2:new", "1:old"]` as ids and 256-bit keys; the first entry seals."""
    ring = {}
    for entry in entries:
        key_id, _, text = entry.partition(":")
        ring[key_id] = hashlib.sha256(b"portal field key " + text.encode()).digest()
    return ring
