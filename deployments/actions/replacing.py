"""A new machine in the place of one that is gone."""

import re

from deployments import rules
from deployments.actions.deployments import Started, start
from deployments.models import Environment
from deployments.states import Health
from instances.actions import create_ec2
from instances.models import Instance
from instances.states import Kind, Status
from portal.core import audit
from portal.core.conflicts import atomic_again
from portal.core.errors import ActionDenied
from portal.core.models import User
from portal.core.refusals import audited

NUMBERED = re.compile(r"(.*)-(\d+)")
SAME = ("region", "instance_type", "volume_gb", "image_id", "subnet", "elastic")


@audited("environment.replace_machine")
@atomic_again
def replace_machine(*, environment: Environment, by: User) -> Started:
    """Plan a machine like the one that is gone, and deploy there the commit that was live."""
    rules.check_can_start(by, environment)
    old = environment.instance
    if old.kind != Kind.EC2 or old.status != Status.TERMINATED:
        raise ActionDenied(f"{old} is not gone; only a machine that is gone is replaced.", code="not_gone")
    release = environment.live_release
    new = _planned_before(old) or create_ec2(
        name=_next_name(old.name), by=by, team=old.team or environment.application.team,
        **{name: getattr(old, name) for name in SAME},
    )  # fmt: skip
    Environment.objects.filter(pk=environment.pk).update(
        instance=new, live_deployment=None, live_release=None, live_container="", live_port=None, url="",
        public_port=None, health=Health.NOTHING, health_detail="", next_check_at=None,
    )  # fmt: skip
    # What was built there is gone with the machine.
    environment.releases.update(kept=False)
    environment.refresh_from_db()
    audit.record(
        "environment.replace_machine", environment, by=by, team=environment.application.team,
        before=old.name, after=new.name,
    )  # fmt: skip
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
