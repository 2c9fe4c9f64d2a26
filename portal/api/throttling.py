"""At most so many requests a minute per token, person or, for strangers, address."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from portal.core import audit
from portal.core.counters import count
from portal.core.models import Token

WINDOW_SECONDS = 60


class TokenThrottle(BaseThrottle):
    """Counts in the shared cache, so that several processes have one limit together."""

    def __init__(self) -> None:
        framework: Any = settings.REST_FRAMEWORK
        rate: str = framework["DEFAULT_THROTTLE_RATES"]["api"]
        self.limit = int(rate.partition("/")[0])
        self.seconds_left = WINDOW_SECONDS

    def allow_request(self, request: Request, view: Any) -> bool:
        counted = count(f"api:{_who(request)}", window_seconds=WINDOW_SECONDS)
        self.seconds_left = counted.seconds_left
        return counted.times <= self.limit

    def wait(self) -> float:
        return self.seconds_left


def _who(request: Request) -> str:
    if isinstance(request.auth, Token):
        return f"token:{request.auth.identifier}"
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return f"address:{audit.current_origin().address}"
