"""Two people who make the same thing at the same moment: the database lets one through, the other looks again."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, connection, transaction

from portal.core.errors import ActionDenied

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 3


def atomic_again(function: Callable[P, R]) -> Callable[P, R]:
    """Run in a transaction; after a conflict run again, and find what the other one made.

    Inside another transaction only the outermost may run again, for what the others wrote is seen
    by a new one only.
    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            with transaction.atomic():
                return function(*args, **kwargs)
        for _ in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except IntegrityError:
                continue
        raise ActionDenied(
            "Somebody else changed the same thing at the same moment. Try again.", code="conflict"
        )

    return wrapper
