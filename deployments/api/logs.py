"""The log of a deployment, and what became of it in one answer."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import logs, queries, rules
from deployments.api import answers, inputs, shapes
from deployments.models import Deployment, Step
from deployments.pipeline import failures
from deployments.states import LOOKS, Status, StepStatus
from portal.api.base import ApiView
from portal.api.describe import described, shown
from portal.api.links import api_link
from portal.api.parsing import QueryInvalid
from portal.core.models import User


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


class Explain(ApiView):
    """What became of a deployment, why, and what can be done; for chat and CI."""

    @described(
        operation_id="explain_deployment",
        summary="Explain a deployment",
        responses={200: answers.ExplainAnswer},
        examples=[answers.EXPLAIN_EXAMPLE],
    )
    def get(self, request: Request, identifier: str) -> Response:
        deployment = queries.get_deployment(self.user, identifier)
        step = _decisive_step(deployment)
        return Response(
            {
                "success": True,
                "deployment_id": str(deployment.uuid),
                "short_id": deployment.short_id,
                "status": deployment.status,
                "outcome": _outcome(deployment),
                "diagnosis": _diagnosis(deployment),
                "step": shown(shapes.StepShape, step) if step else None,
                "evidence": _evidence(deployment),
                "actions": _possible_actions(request, self.user, deployment),
                "links": shapes.links_of(request, deployment),
            }
        )


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


def _decisive_step(deployment: Deployment) -> Step | None:
    """The step that failed, or that is being carried out."""
    steps = deployment.steps.filter(status__in=(StepStatus.FAILED, StepStatus.RUNNING))
    return steps.order_by("number").first()


def _outcome(deployment: Deployment) -> str:
    status = Status(deployment.status)
    if status == Status.QUEUED:
        return queries.queue_position(deployment).reason
    return LOOKS[status].sentence


def _diagnosis(deployment: Deployment) -> dict[str, str] | None:
    if not deployment.failure_code:
        return None
    words = failures.explain(deployment.failure_code)
    return {
        "code": deployment.failure_code,
        "title": words.title,
        "sentence": words.sentence,
        "fix": words.fix,
        "detail": deployment.failure_detail,
    }


def _evidence(deployment: Deployment) -> dict[str, Any]:
    """What was gathered when it failed, and the first line of the log that tells of an error."""
    line = logs.first_error(deployment) if deployment.failure_code else None
    return {**deployment.evidence, "first_error": shapes.line_shape(line) if line else None}


def _possible_actions(request: Request, user: User, deployment: Deployment) -> list[dict[str, Any]]:
    reasons = {
        "cancel": rules.why_not_cancel(user, deployment),
        "retry": rules.why_not_retry(user, deployment),
        "redeploy": rules.why_not_redeploy(user, deployment),
        "rollback": rules.why_not_rollback(user, deployment.environment),
    }
    return [
        {
            "name": name,
            "method": "POST",
            "url": api_link(request, f"deployment-{name}", deployment.uuid),
            "allowed": not reason,
            "reason": reason,
        }
        for name, reason in reasons.items()
    ]
