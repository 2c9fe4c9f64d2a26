"""Puts a plan together from the rehearsal, the repository and the cloud."""

from typing import Any

from deployments import plan_hashes
from deployments.pipeline import routes
from deployments.pipeline.failures import explain
from deployments.planning import cloud, figures, items, repository
from deployments.planning.rehearsal import Rehearsal, rehearse
from deployments.planning.repository import Source
from deployments.planning.shapes import Finding, Plan
from instances.states import Kind as Place
from portal.core.errors import ActionDenied


def plan(**wish: Any) -> Plan:
    """What `actions.deploy_url` would do with the same words; raises what it would raise."""
    rehearsal, values = rehearse(wish)
    source = repository.look(rehearsal.deployment)
    lists = items.Lists()
    items.fill(lists, rehearsal, source, values)
    asked = cloud.Look()
    if rehearsal.instance.kind == Place.EC2:
        asked = cloud.look(rehearsal.instance, rehearsal.ports, name=rehearsal.instance_name)
    blockers = (*source.blockers, *_missing(rehearsal, source), *asked.blockers)
    return Plan(
        application=rehearsal.application.name,
        environment=rehearsal.environment.name,
        instance=rehearsal.instance_name,
        ref=source.ref,
        commit=source.commit,
        commit_subject=source.subject,
        image=items.image_of(rehearsal, source),
        created=(*lists.created, *asked.created),
        changed=(*lists.changed, *asked.changed),
        kept=(*lists.kept, *asked.kept),
        blockers=blockers,
        warnings=(*_warnings(rehearsal), *asked.warnings),
        permissions=tuple(asked.permissions),
        values=tuple(items.values_of(rehearsal, source, wish)),
        cost=figures.cost(rehearsal),
        duration=figures.duration(rehearsal),
        plan_hash="" if blockers else plan_hashes.mark(state(rehearsal, source)),
    )


def mark_now(**wish: Any) -> str:
    """The mark that a plan would have at this moment, without asking the cloud."""
    rehearsal, _ = rehearse(wish)
    source = repository.look(rehearsal.deployment)
    for blocker in source.blockers:
        raise ActionDenied(blocker.message, code=blocker.code)
    return plan_hashes.mark(state(rehearsal, source))


def state(rehearsal: Rehearsal, source: Source) -> dict[str, Any]:
    """Everything whose change makes another deployment of it, and nothing that differs by itself."""
    environment, instance = rehearsal.environment, rehearsal.instance
    known = rehearsal.environment_now is not None
    new_machine = [instance.instance_type, instance.region, instance.volume_gb]
    return {
        "commit": source.commit,
        "image": rehearsal.image,
        "instance": instance.uuid.hex if rehearsal.instance_now else ["new", *new_machine],
        "environment": [str(environment), environment.uuid.hex if known else "new"],
        "variables": [environment.variables_version, *rehearsal.variables],
        "settings": {
            "config": {**source.config.as_facts(), "sources": {}},
            "port": source.port,
            "options": {k: v for k, v in rehearsal.deployment.options.items() if k != "plan_hash"},
            "public_port": environment.public_port,
            "way": routes.snapshot(environment),
        },
        "live": rehearsal.live.uuid.hex if rehearsal.live else "",
    }


def _missing(rehearsal: Rehearsal, source: Source) -> list[Finding]:
    missing = source.config.missing(rehearsal.variables)
    if not missing:
        return []
    return [
        Finding(
            "variable_missing", f"portal.yml requires {', '.join(missing)}.", explain("variable_missing").fix
        )
    ]


def _warnings(rehearsal: Rehearsal) -> list[Finding]:
    if not rehearsal.under_way:
        return []
    message = f"{rehearsal.under_way} is under way and does the same."
    return [Finding("under_way", message, "Wait for it, or look at it first.")]
