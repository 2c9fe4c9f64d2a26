"""What load balancers, containers and people ask: does it live, is it ready, what is broken."""

from dataclasses import asdict

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.checks import SERVICES, Check, answer_all

SERVICE = "portal"


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nothing else, so that a database that is away restarts nobody."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 only when work can be done: the database is there and a task went through the queue lately."""
    checks = answer_all(SERVICES)
    ready = all(check.ok for check in checks)
    content: dict[str, object] = {"status": "ready" if ready else "not ready", "checks": _by_name(checks)}
    if "verbose" in request.GET:
        content["details"] = [asdict(check) for check in checks]
    return JsonResponse(content, status=200 if ready else 503)


@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """The state of each component; 503 and `degraded` when one of them is broken."""
    checks = answer_all(SERVICES)
    broken = [check.name for check in checks if not check.ok]
    components = {
        check.name: {"status": "healthy" if check.ok else "unhealthy", "detail": check.detail}
        for check in checks
    }
    content = {
        "status": "degraded" if broken else "healthy",
        "service": SERVICE,
        "version": settings.VERSION,
        "timestamp": timezone.now().isoformat(),
        "database": "unreachable" if "database" in broken else "connected",
        "broken": broken,
        "components": components,
    }
    return JsonResponse(content, status=503 if broken else 200)


def _by_name(checks: list[Check]) -> dict[str, str]:
    return {check.name: "ok" if check.ok else check.detail for check in checks}
