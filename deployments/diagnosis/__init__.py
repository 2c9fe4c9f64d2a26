"""Says why a deployment failed: rules that look for their proof in what the failure left behind."""

from collections.abc import Mapping
from typing import Any

from deployments.diagnosis.base import Button, Case, Diagnosis
from deployments.diagnosis.rules import RULES

__all__ = ["SHOWN", "Button", "Diagnosis", "diagnose"]

SHOWN = 3


def diagnose(
    code: str, detail: str, evidence: Mapping[str, Any], log_tail: str, facts: Mapping[str, Any]
) -> list[Diagnosis]:
    """What probably went wrong, most specific first; nothing without a proof.

    `facts` are what is known of the application and its place: container_port, health_path, memory_mb,
    dockerfile, default_branch, runtime, instance, instance_kind, region, address (now) and address_before.
    """
    case = Case(code, detail, evidence, log_tail, facts)
    found: dict[int, Diagnosis] = {}
    for rule in RULES:
        if code not in rule.codes or rule.number in found:
            continue
        diagnosis = rule.look(case)
        if diagnosis is not None:
            found[rule.number] = diagnosis
    return list(found.values())[:SHOWN]
