"""What happens around every request: its id, its origin for the audit, and refusals turned into answers."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from portal.core import audit
from portal.core.errors import ActionDenied, NotFound
from portal.core.logcontext import request_id

logger = logging.getLogger("portal.requests")

GOOD_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET_PATHS = ("/livez", "/readyz", "/health", "/api/health", "/static/")

GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestContextMiddleware:
    """Gives each request an id, says where it comes from, and logs how it ended."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        identifier = given if GOOD_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        marker = request_id.set(identifier)
        began = time.monotonic()
        surface = (
            "api"
            if request.path.startswith("/api/")
            else "admin"
            if request.path.startswith("/admin/")
            else "page"
        )
        audit.set_origin(surface=surface, address=client_address(request))
        try:
            response = self.get_response(request)
            seconds = time.monotonic() - began
            response["X-Request-ID"] = identifier
            response["X-Process-Time"] = f"{seconds:.4f}"
            response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
            response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            if not request.path.startswith(QUIET_PATHS):
                logger.info("%s %s %s %.3f s", request.method, request.path, response.status_code, seconds)
            return response
        finally:
            request_id.reset(marker)


class ActionErrorMiddleware:
    """Turns the refusals of actions into pages: 403 or 409, and 404."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, NotFound):
            raise Http404 from exception
        if isinstance(exception, ActionDenied):
            status = 403 if exception.forbidden else 409
            template = "_components/denied.html" if request.headers.get("HX-Request") else "denied.html"
            context = {"message": exception.message, "forbidden": exception.forbidden}
            return render(request, template, context, status=status)
        return None


def client_address(request: HttpRequest) -> str:
    """The client's address: behind n trusted proxies, the n-th from the right of X-Forwarded-For."""
    remote: str = request.META.get("REMOTE_ADDR", "")
    forwarded = [
        part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()
    ]
    if settings.TRUSTED_PROXIES and len(forwarded) >= settings.TRUSTED_PROXIES:
        return forwarded[-settings.TRUSTED_PROXIES]
    return remote
