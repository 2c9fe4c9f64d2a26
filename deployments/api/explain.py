"""What became of a deployment, why, and what to do, in one answer."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from deployments import logs, queries, rules
from deployments.api import answers, shapes
from deployments.diagnosis.base import Diagnosis
from deployments.diagnosis.of import diagnoses_of
from deployments.models import Deployment, Step
from deployments.pipeline import failures
from deployments.states import LOOKS, Status, StepStatus
from portal.api.base import ApiView
from portal.api.describe import described, shown
from portal.api.links import api_link
from portal.core.models import User


class Explain(ApiView):
    """What became of a deployment, why, and what can be done; for chat and CI."""

    @described(
        operation_id="explain_deployment",
        summary="Explain a deployment",
        description="`diagnosis` has the words for the failure's code; `diagnoses` are what probably caused it, each with "
        "the line that proves it, most specific first.",
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
                "diagnoses": [_finding(found) for found in diagnoses_of(deployment)],
                "step": shown(shapes.StepShape, step) if step else None,
                "evidence": _evidence(deployment),
                "actions": _possible_actions(request, self.user, deployment),
                "links": shapes.links_of(request, deployment),
            }
        )


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


def _finding(found: Diagnosis) -> dict[str, Any]:
    button = found.button
    return {
        "rule": found.rule,
        "title": found.title,
        "meaning": found.meaning,
        "fix": found.fix,
        "evidence": found.evidence,
        "snippet": found.snippet,
        "proposal": {"what": button.what, "values": dict(button.arguments)} if button else None,
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
