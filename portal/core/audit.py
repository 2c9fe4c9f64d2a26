"""The record of what was done: one chained row per change of state or refused attempt."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from portal.core.logcontext import request_id
from portal.core.models import AuditEvent, Team, User


@dataclass(frozen=True)
class Origin:
    """Where an action came from."""

    surface: str = "portal"
    address: str | None = None
    token: str = ""


_FROM_WITHIN = Origin()
_origin: ContextVar[Origin] = ContextVar("audit_origin", default=_FROM_WITHIN)


@contextmanager
def origin(*, surface: str, address: str | None = None, token: str = "") -> Iterator[None]:
    """Say where the actions inside come from."""
    marker = _origin.set(Origin(surface, address, token))
    try:
        yield
    finally:
        _origin.reset(marker)


def set_origin(*, surface: str, address: str | None = None, token: str = "") -> None:
    """The same for the rest of this context (a request)."""
    _origin.set(Origin(surface, address, token))


def current_origin() -> Origin:
    return _origin.get()


def record(
    action: str,
    target: models.Model | None = None,
    *,
    by: User | None,
    team: Team | None = None,
    allowed: bool = True,
    reason: str = "",
    **details: Any,
) -> AuditEvent:
    """Add one event; call it inside the transaction that changes the state."""
    where = _origin.get()
    event = AuditEvent(
        at=timezone.now(),
        action=action,
        actor=by,
        actor_name=by.username if by else "",
        surface=where.surface,
        address=where.address,
        token=where.token,
        request_id=request_id.get(),
        team=team,
        object_type=target._meta.model_name or "" if target else "",
        object_id=str(getattr(target, "uuid", target.pk)) if target else "",
        object_name=str(target)[:200] if target else "",
        allowed=allowed,
        reason=reason[:500],
        details=details,
    )
    with transaction.atomic():
        _lock_chain()
        last = AuditEvent.objects.order_by("-id").values_list("hash", flat=True).first()
        event.previous_hash = last or ""
        event.hash = digest(event)
        event.save(force_insert=True)
    return event


def digest(event: AuditEvent) -> str:
    """The hash of one event, over its content and the hash before it."""
    content = [
        event.previous_hash, event.at.isoformat(), event.action, event.actor_id, event.actor_name,
        event.surface, event.address, event.token, event.request_id, event.team_id,
        event.object_type, event.object_id, event.object_name, event.allowed, event.reason, event.details,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def first_broken() -> AuditEvent | None:
    """Walk the chain; return the first event that was changed, or that follows a missing one."""
    previous = ""
    for event in AuditEvent.objects.order_by("id").iterator(chunk_size=1000):
        if event.previous_hash != previous or event.hash != digest(event):
            return event
        previous = event.hash
    return None


def _lock_chain() -> None:
    """One writer at a time: on SQLite a transaction that writes is alone anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(7204417)")
