"""Who is at the other end of a socket: somebody with a session cookie, or a machine with a token."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.utils.crypto import constant_time_compare

from portal.core import tokens
from portal.core.models import User

SCOPE = "read"


@dataclass(frozen=True)
class Visitor:
    """A person, or the person a token belongs to; `session` is a digest that names his session."""

    user: User
    session: str = ""


def identify(headers: Mapping[str, str]) -> Visitor | None:
    """Tell who sent these headers; asked again while a socket is open, because rights end."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme:
        return _by_token(text.strip()) if scheme.lower() == "bearer" else None
    return _by_session(_cookie(headers.get("cookie", "")))


def session_digest(session_key: str) -> str:
    """A name for a session that may travel: the key itself is as good as a password."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:32]


def _by_token(text: str) -> Visitor | None:
    try:
        token = tokens.verify(text)
    except tokens.Refused:
        return None
    return Visitor(token.user) if tokens.has_scope(token, SCOPE) else None


def _by_session(session_key: str) -> Visitor | None:
    """Read the session without touching it: a socket cannot give the browser a new cookie."""
    if not session_key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key).load()
    backend = session.get(BACKEND_SESSION_KEY)
    if SESSION_KEY not in session or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = load_backend(backend).get_user(session[SESSION_KEY])
    if not isinstance(user, User) or not user.is_active or not _fits(user, session):
        return None
    return Visitor(user, session_digest(session_key))


def _fits(user: User, session: Mapping[str, Any]) -> bool:
    """Whether the session was made under the password that the person has now."""
    given = session.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(given, known) for known in hashes)


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
