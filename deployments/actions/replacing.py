"""A new machine in the place of one that is gone."""

import re

from deployments import rules
from deployments.actions.deployments import Started, start
from deployments.actions.environments import update_environment
from deployments.models import Environment
from instances.actions import create_ec2
from instances.models import Instance
from instances.states import Kind, Status
from portal.core.conflicts import atomic_again
from portal.core.models import User
from portal.core.refusals import audited

NUMBERED = re.compile(r"(.*)-(\d+)")
SAME = ("region", "instance_type", "volume_gb", "image_id", "subnet", "elastic")


@audited("environment.replace_machine")
@atomic_again
def replace_machine(*, environment: Environment, by: User) -> Started:
    """Plan a machine like the one that is gone, and deploy there the commit that was live."""
    rules.check_can_replace(by, environment)
    old, release = environment.instance, environment.live_release
    new = _planned_before(old) or create_ec2(
        name=_next_name(old.name), by=by, team=old.team or environment.application.team,
        **{name: getattr(old, name) for name in SAME},
    )  # fmt: skip
    update_environment(environment=environment, by=by, instance=new)
    environment.refresh_from_db()
    return start(environment=environment, by=by, ref=release.commit if release else "")


def _planned_before(old: Instance) -> Instance | None:
    """The machine that another environment of the same lost one was given already."""
    name = _next_name(old.name, free=False)
    return Instance.objects.filter(name=name, kind=Kind.EC2, status=Status.PENDING, aws_id="").first()


def _next_name(name: str, *, free: bool = True) -> str:
    """`box`, `box-2`, `box-3`: the first that nobody has."""
    match = NUMBERED.fullmatch(name)
    stem, number = (match[1], int(match[2])) if match else (name, 1)
    while True:
        number += 1
        candidate = f"{stem[: 58 - len(str(number))]}-{number}"
        if not free or not Instance.objects.filter(name=candidate).exists():
            return candidate
