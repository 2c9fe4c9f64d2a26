"""`Idempotency-Key`: the same request sent again gets the same answer, and nothing happens twice."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.exceptions import ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.base import ApiView
from portal.api.errors import Conflict
from portal.core.models import IdempotentRequest
from portal.core.secrets import fingerprint, fingerprints

KEPT = timedelta(hours=24)
# A request that began and left no answer for so long has died; its key may be used again.
GIVEN_UP = timedelta(seconds=60)
GOOD_KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEPT_HEADERS = ("Location",)

Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Make a POST repeatable under a key. Answers below 300 are kept for a day; refusals are not."""

    @wraps(handler)
    def wrapper(view: ApiView, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return handler(view, request, *args, **kwargs)
        _check_key(key)
        held, mine = _claim(view, request, key)
        if not mine:
            return _replay(held)
        try:
            response = handler(view, request, *args, **kwargs)
        except BaseException:
            held.delete()
            raise
        _keep(held, response)
        return response

    wrapper.is_idempotent = True  # type: ignore[attr-defined]
    return wrapper


def forget_old_answers() -> int:
    """Remove the answers that are kept no longer; for the daily clean-up."""
    removed, _ = IdempotentRequest.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
    return removed


class InProgress(Conflict):
    """The first request with this key is still being carried out."""

    default_detail = "The first request with this Idempotency-Key is still under way. Send it again."
    default_code = "request_in_progress"
    wait = 1


def _check_key(key: str) -> None:
    if not GOOD_KEY.fullmatch(key):
        raise ParseError("An Idempotency-Key has 1 to 255 visible ASCII characters, such as a UUID.")


def _claim(view: ApiView, request: Request, key: str) -> tuple[IdempotentRequest, bool]:
    """The row of this key, and whether it is ours to carry out; the unique key lets one in."""
    about = _canonical(request)
    row = IdempotentRequest(user=view.user, key=key, path=_path(request), body_digest=fingerprint(about))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return _held(view, request, key, about)
    return row, True


def _held(view: ApiView, request: Request, key: str, about: str) -> tuple[IdempotentRequest, bool]:
    row = IdempotentRequest.objects.filter(user=view.user, key=key).first()
    if row is None:
        raise InProgress  # It was refused a moment ago; the client may send it again.
    if _is_over(row):
        return _take_over(row, request, about)
    if row.path != _path(request) or row.body_digest not in fingerprints(about):
        raise Conflict(
            "This Idempotency-Key was used for another request. Use a new key for a new request.",
            code="idempotency_key_reused",
        )
    if row.status is None:
        raise InProgress
    return row, False


def _is_over(row: IdempotentRequest) -> bool:
    age = timezone.now() - row.created_at
    return age > KEPT or (row.status is None and age > GIVEN_UP)


def _take_over(row: IdempotentRequest, request: Request, about: str) -> tuple[IdempotentRequest, bool]:
    """Begin anew under a key that is free again; one of those who try wins."""
    now = timezone.now()
    fresh: dict[str, Any] = {
        "created_at": now, "status": None, "body": None, "headers": {},
        "path": _path(request), "body_digest": fingerprint(about),
    }  # fmt: skip
    if not IdempotentRequest.objects.filter(pk=row.pk, created_at=row.created_at).update(**fresh):
        raise InProgress
    row.refresh_from_db()
    return row, True


def _keep(row: IdempotentRequest, response: Response) -> None:
    if response.status_code >= 300:
        row.delete()
        return
    row.status = response.status_code
    row.body = json.loads(JSONRenderer().render(response.data) or "null")
    row.headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    row.save(update_fields=["status", "body", "headers"])


def _replay(row: IdempotentRequest) -> Response:
    assert row.status is not None
    return Response(row.body, status=row.status, headers={**row.headers, "Idempotent-Replay": "true"})


def _path(request: Request) -> str:
    """The address without the version and the slash, which are other spellings of the same door."""
    path = request.path.rstrip("/").replace("/api/v1/", "/api/", 1)
    return path if len(path) <= 200 else hashlib.sha256(path.encode()).hexdigest()


def _canonical(request: Request) -> str:
    return json.dumps([request.method, request.query_params.dict(), request.data], sort_keys=True)
