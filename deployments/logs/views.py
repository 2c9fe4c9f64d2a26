"""The log over HTTP: pages of lines for where no socket gets through, and the whole as a file."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from deployments import logs, queries
from deployments.logs.frames import Outcome, end_message, line_message, step_message
from deployments.logs.lines import LEVELS
from deployments.logs.looking import step_states
from deployments.models import Deployment
from portal.core.pages import PageRequest

LINES, MOST_LINES = 500, 2000
MOST_FOUND = 1000
SEARCH_LENGTH = 200


@require_GET
@never_cache
def log_json(request: PageRequest, identifier: str) -> HttpResponse:
    """Lines after a number (`after`, `limit`, `step`, `level`), or the numbers of lines with a text (`find`)."""
    deployment = queries.get_deployment(request.user, identifier)
    if text := request.GET.get("find", "")[:SEARCH_LENGTH]:
        return JsonResponse({"numbers": logs.search(deployment, text, limit=MOST_FOUND)})
    after, limit = _number(request, "after", 0), min(_number(request, "limit", LINES), MOST_LINES)
    level = request.GET.get("level", "")
    step = _number(request, "step", 0)
    lines = logs.read(
        deployment,
        after=after,
        limit=max(1, limit),
        step=step or None,
        level=level if level in LEVELS else "",
    )
    return JsonResponse(
        {
            "lines": [line_message(line) for line in lines],
            "after": after,
            "seq": lines[-1].number if lines else after,
            "count": deployment.log_count,
            "now": timezone.now().isoformat(),
            "steps": [step_message(str(deployment.uuid), state, 0) for state in step_states(deployment.pk)],
            "end": _end(deployment) if deployment.is_finished else None,
        }
    )


@require_GET
def log_text(request: PageRequest, identifier: str) -> HttpResponse | StreamingHttpResponse:
    """The whole log as a text file."""
    deployment = queries.get_deployment(request.user, identifier)
    moment = f"{deployment.created_at:%Y%m%d-%H%M}"
    name = f"{deployment.application.name}-{deployment.number}-{deployment.short_id}-{moment}.txt"
    response = StreamingHttpResponse(logs.text_lines(deployment), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _end(deployment: Deployment) -> dict[str, Any]:
    outcome = Outcome(deployment.status, deployment.url, deployment.failure_code, deployment.failure_detail)
    return end_message(str(deployment.uuid), outcome, 0)


def _number(request: HttpRequest, name: str, default: int) -> int:
    given = request.GET.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else default
