"""Refused attempts are recorded too; the record must survive the transaction that the refusal ends."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import models

from portal.core import audit
from portal.core.errors import ActionDenied, NotFound
from portal.core.models import User

P = ParamSpec("P")
R = TypeVar("R")


def audited(action: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record who was refused this action on what. Outermost, so that it runs after the rollback."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except (ActionDenied, NotFound) as refusal:
                target = next((value for value in kwargs.values() if _is_target(value)), None)
                by = kwargs.get("by")
                audit.record(
                    action,
                    target,  # type: ignore[arg-type]
                    by=by if isinstance(by, User) else None,
                    allowed=False,
                    reason=getattr(refusal, "message", "not found"),
                )
                raise

        return wrapper

    return decorate


def _is_target(value: object) -> bool:
    return isinstance(value, models.Model) and not isinstance(value, User)
