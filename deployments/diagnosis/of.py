"""The diagnosis of a deployment as it stands in the tables."""

from typing import Any

from deployments import logs
from deployments.diagnosis import diagnose
from deployments.diagnosis.base import Diagnosis
from deployments.models import Deployment
from deployments.states import StepStatus

LOG_LINES = 400


def diagnoses_of(deployment: Deployment) -> list[Diagnosis]:
    """Why it failed, most specific first; nothing for one that did not fail, or without a proof."""
    if not deployment.failure_code:
        return []
    return diagnose(
        deployment.failure_code,
        deployment.failure_detail,
        deployment.evidence,
        _log_tail(deployment),
        _facts(deployment),
    )


def _log_tail(deployment: Deployment) -> str:
    """The end of the failed step's log; what undoing said afterwards proves nothing."""
    failed = deployment.steps.filter(status=StepStatus.FAILED).values_list("number", flat=True).first()
    lines = logs.tail(deployment, limit=LOG_LINES)
    return "\n".join(line.text for line in lines if failed is None or line.step == failed)


def _facts(deployment: Deployment) -> dict[str, Any]:
    application, instance, release = deployment.application, deployment.instance, deployment.release
    # What was put there counts, not what the settings say by now.
    source = release or application
    return {
        "runtime": release.runtime if release else deployment.facts.get("runtime"),
        "container_port": source.container_port or deployment.facts.get("container_port"),
        "health_path": source.health_path,
        "memory_mb": source.memory_mb,
        "dockerfile": deployment.facts.get("dockerfile") or application.dockerfile,
        "default_branch": deployment.facts.get("default_branch"),
        "instance": instance.name,
        "instance_kind": instance.kind,
        "address": instance.address,
        "address_before": deployment.facts.get("public_ip") or deployment.evidence.get("address"),
        "region": instance.region,
    }
