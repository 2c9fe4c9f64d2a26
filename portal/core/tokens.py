"""Keys for machines: made once, shown once, checked in constant time."""

import hmac
import re
import secrets
import string
from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.core import audit
from portal.core.errors import ActionDenied, Invalid, NotFound
from portal.core.models import Role, Token, User
from portal.core.secrets import Secret, fingerprint, fingerprints

# What a token with this scope may do. A scope that changes things may also look.
ALLOWS: dict[str, frozenset[str]] = {
    "read": frozenset({"read"}),
    "deploy": frozenset({"read", "deploy"}),
    "approve": frozenset({"read", "approve"}),
    "predict": frozenset({"predict"}),
    "registry": frozenset({"read", "registry"}),
    "admin": frozenset({"read", "deploy", "approve", "predict", "registry", "admin"}),
}
SCOPES: dict[str, str] = {
    "read": "See applications, deployments, logs and instances.",
    "deploy": "Deploy, roll back, stop and start, set variables; and see them.",
    "approve": "Decide about deployments and promotions that wait for approval.",
    "predict": "Ask deployed models for predictions, and nothing else.",
    "registry": "Register models and versions.",
    "admin": "Everything its owner may do, also checking the portal's configuration.",
}

DEFAULT_DAYS = 90
MAX_DAYS = 365
IDENTIFIER_LENGTH = 12
IDENTIFIER_LETTERS = string.ascii_letters + string.digits
FORMAT = re.compile(r"portal_([A-Za-z0-9]{12})_[A-Za-z0-9_-]{32,128}", re.ASCII)
USE_NOTED_EVERY = timedelta(minutes=1)
# Compared with when no token has the identifier, so that the answer takes as long.
NO_DIGEST = "0" * 64


class Refused(Exception):
    """This is not a token that works now; the text never says which part was wrong."""


def create(
    *, user: User, name: str, scopes: Collection[str], days: int = DEFAULT_DAYS, by: User
) -> tuple[Token, Secret]:
    """Make a token for `user`; the second value is its text, which cannot be had again."""
    _check_may_make_for(user, by)
    _check_wishes(user, name, scopes, days)
    identifier = "".join(secrets.choice(IDENTIFIER_LETTERS) for _ in range(IDENTIFIER_LENGTH))
    text = f"portal_{identifier}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        token = Token.objects.create(
            user=user,
            name=name.strip(),
            identifier=identifier,
            digest=fingerprint(text),
            scopes=[scope for scope in SCOPES if scope in scopes],
            expires_at=timezone.now() + timedelta(days=days),
        )
        audit.record("token.created", token, by=by, owner=user.username, scopes=token.scopes, days=days)
    return token, Secret(text)


def revoke(*, token: Token, by: User) -> None:
    """End a token at once; ending it twice changes nothing."""
    _check_may_revoke(token, by)
    with transaction.atomic():
        now = timezone.now()
        if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
            token.revoked_at = now
            audit.record("token.revoked", token, by=by, owner=token.user.username)


def verify(text: str) -> Token:
    """Return the token with this text, or raise Refused."""
    match = FORMAT.fullmatch(text)
    if match is None:
        raise Refused
    token = Token.objects.select_related("user").filter(identifier=match[1]).first()
    digests = fingerprints(text)
    if not _is_one_of(token.digest if token else NO_DIGEST, digests):
        raise Refused
    if token is None or not is_usable(token):
        raise Refused
    if token.digest != digests[0]:
        _move_to_newest_key(token, digests[0])
    return token


def is_usable(token: Token) -> bool:
    """Tell whether a token works now: not revoked, not expired, its owner not disabled."""
    return token.revoked_at is None and token.expires_at > timezone.now() and token.user.is_active


def note_use(token: Token, *, address: str | None) -> None:
    """Remember when and from where a token was used, at most once a minute."""
    now = timezone.now()
    old = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
    if token.last_used_at is None or token.last_used_at < now - USE_NOTED_EVERY:
        Token.objects.filter(old, pk=token.pk).update(last_used_at=now, last_used_from=address)


def has_scope(token: Token, scope: str) -> bool:
    return any(scope in ALLOWS.get(held, frozenset()) for held in token.scopes)


def visible_tokens(user: User) -> QuerySet[Token]:
    """The tokens this person may see and revoke: his own, his teams' if he leads them, or all."""
    rows = Token.objects.select_related("user")
    if user.is_superuser:
        return rows
    return rows.filter(Q(user=user) | Q(user__in=_led_by(user)))


def _is_one_of(digest: str, candidates: Sequence[str]) -> bool:
    """Compare with every candidate, so that the time tells nothing about which one fits."""
    found = False
    for candidate in candidates:
        found |= hmac.compare_digest(digest, candidate)
    return found


def _move_to_newest_key(token: Token, digest: str) -> None:
    """Let the old key of the ring be retired once every token was used under the new one."""
    Token.objects.filter(pk=token.pk, digest=token.digest).update(digest=digest)


def _check_may_make_for(user: User, by: User) -> None:
    if by.pk != user.pk and not by.is_superuser:
        raise ActionDenied(
            "You can make tokens for yourself only. A portal admin can make one for somebody else.",
            code="role_missing",
            forbidden=True,
        )


def _check_may_revoke(token: Token, by: User) -> None:
    if not visible_tokens(by).filter(pk=token.pk).exists():
        raise NotFound


def _led_by(user: User) -> QuerySet[User]:
    teams = user.memberships.filter(role=Role.ADMIN).values("team")
    return User.objects.filter(memberships__team__in=teams, is_superuser=False)


def _check_wishes(user: User, name: str, scopes: Collection[str], days: int) -> None:
    problems: dict[str, str] = {}
    if not user.is_active:
        problems["user"] = f"{user} is disabled; a token of theirs would not work."
    if not name.strip() or len(name.strip()) > 80 or not name.isprintable():
        problems["name"] = "Say in 1 to 80 characters what will use the token, such as “CI of churn-api”."
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        problems["scopes"] = f"{', '.join(unknown)}: there is no such scope. There are {', '.join(SCOPES)}."
    elif not scopes:
        problems["scopes"] = f"Choose at least one of {', '.join(SCOPES)}."
    if not 1 <= days <= MAX_DAYS:
        problems["days"] = f"A token lives 1 to {MAX_DAYS} days."
    if problems:
        raise Invalid(problems)
