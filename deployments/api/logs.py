"""The log of a deployment."""

from collections.abc import Callable
from datetime import datetime

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import logs, queries
from deployments.api import answers, inputs, shapes
from deployments.models import Deployment
from portal.api.base import ApiView
from portal.api.describe import described
from portal.api.links import api_link
from portal.api.parsing import QueryInvalid


class Logs(ApiView):
    """The log of a deployment."""

    parameters = {"GET": inputs.LogsQuery}

    @described(
        operation_id="read_log",
        summary="Read a log",
        description="Follow `next` to read on; it is null once the deployment has ended and all was read.",
        parameters=[inputs.LogsQuery],
        responses={200: answers.LogsAnswer, (200, "text/plain"): str},
        examples=[answers.LOGS_EXAMPLE],
    )
    def get(self, request: Request, identifier: str) -> HttpResponseBase:
        deployment = queries.get_deployment(self.user, identifier)
        after = _line_number(deployment, self.query.get("after", "0"))
        limit, level = self.query["limit"], self.query.get("level", "")
        lines = logs.read(deployment, after=after, limit=limit, level=level)
        following = _following(request, deployment, lines, after=after, limit=limit)
        if self.query["as"] == "json":
            body = [shapes.line_shape(line) for line in lines]
            return Response({"success": True, "count": len(body), "logs": body, "next": following})
        return _as_text(lines, colours=self.query["as"] == "ansi", following=following)


def _line_number(deployment: Deployment, after: str) -> int:
    """A line number as it is; a time as the number of the last line that is not later."""
    if after.isascii() and after.isdecimal() and len(after) <= 9:
        return int(after)
    moment = _moment(after)
    return _last_until(lambda number: _is_until(deployment, number, moment), deployment.log_count)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise QueryInvalid({"after": ["A line number, or a time such as 2026-01-31T12:00:00Z."]})
    return moment


def _last_until(is_early: Callable[[int], bool], count: int) -> int:
    """Bisect: lines are stored in the order of their times."""
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        if is_early(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _is_until(deployment: Deployment, number: int, moment: datetime) -> bool:
    lines = logs.read(deployment, after=number - 1, limit=1)
    return bool(lines) and lines[0].at <= moment


def _following(
    request: Request, deployment: Deployment, lines: list[logs.Line], *, after: int, limit: int
) -> str | None:
    """Where the next lines are or will be; None when there will be none."""
    # Fewer lines than asked for are not the end where lines were dropped; but no lines are.
    read_all = not lines or lines[-1].number >= deployment.log_count
    if deployment.is_finished and (read_all or ("level" in request.query_params and len(lines) < limit)):
        return None
    kept = {name: value for name, value in request.query_params.dict().items() if name != "after"}
    url = api_link(request, "deployment-logs", deployment.uuid)
    return answers.with_query(url, {**kept, "after": str(lines[-1].number if lines else after)})


def _as_text(lines: list[logs.Line], *, colours: bool, following: str | None) -> HttpResponse:
    text = "".join(shapes.line_shape(line, colours=colours)["message"] + "\n" for line in lines)
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    if following:
        response["Link"] = f'<{following}>; rel="next"'
    return response
