"""Compares AWS with the tables: what is on one side only is taken up, listed, or deleted when asked."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from instances import machines
from instances.clouds import prices
from instances.clouds.base import INSTANCE_TAG, CloudError, Machine, Machines, Tags
from instances.clouds.of import machines_in
from instances.models import Instance, Measurement, Orphan
from instances.states import Kind, OrphanKind, Status, Wanted
from portal.core import audit, heartbeat

logger = logging.getLogger(__name__)

SWEEP = "sweep"
IN_AWS = (OrphanKind.MACHINE, OrphanKind.GROUP, OrphanKind.KEY_PAIR, OrphanKind.ADDRESS, OrphanKind.ROW)


def is_due() -> bool:
    """Whether the last comparison is long enough ago."""
    age = heartbeat.age(SWEEP)
    return age is None or age > settings.SWEEP_SECONDS


def sweep() -> int:
    """Compare every region that we know; the number of things on one side only."""
    heartbeat.beat(SWEEP)
    _forget_old_measurements()
    _wake_forgotten()
    found = 0
    for region in regions():
        try:
            found += compare(region)
        except CloudError as error:
            # A portal that never had to do with AWS has no credentials, and that is no news.
            unused = error.code == "aws_credentials" and not Instance.objects.filter(kind=Kind.EC2).exists()
            level = logging.DEBUG if unused else logging.WARNING
            logger.log(level, "%s could not be swept: %s: %s", region, error.code, error.detail)
    return found


def regions() -> list[str]:
    """The regions in which we have or had something, and the one of the settings."""
    used = Instance.objects.filter(kind=Kind.EC2).exclude(region="").values_list("region", flat=True)
    listed = Orphan.objects.filter(kind__in=IN_AWS).exclude(region="").values_list("region", flat=True)
    return sorted({settings.AWS_REGION, *used, *listed})


@dataclass(frozen=True)
class Stray:
    """Something that is on one side only, and how to delete it."""

    kind: str
    identifier: str
    name: str
    delete: Callable[[], None]
    details: dict[str, Any] = field(default_factory=dict)
    made_at: datetime | None = None
    row: Instance | None = None


def compare(region: str) -> int:
    """Look at one region: list its strays, forget those that are gone, delete those that people gave up."""
    cloud = machines_in(region)
    rows = list(Instance.objects.filter(kind=Kind.EC2, region=region).select_related("team"))
    live_rows = {str(row.uuid): row for row in rows if row.status != Status.TERMINATED}
    strays = [
        *_machines(cloud, rows),
        *_things(cloud, live_rows),
        *_rows(cloud, rows),
    ]
    kept = [stray for stray in strays if not _deleted(stray, region)]
    for stray in kept:
        _list(stray, region)
    known = [Q(kind=stray.kind, identifier=stray.identifier) for stray in kept]
    gone = Orphan.objects.filter(region=region, kind__in=IN_AWS)
    for match in known:
        gone = gone.exclude(match)
    gone.delete()
    return len(kept)


def _machines(cloud: Machines, rows: list[Instance]) -> Iterator[Stray]:
    """Machines with our tag and without a row; one that was made for a row of ours is given to it."""
    by_id = {row.aws_id: row for row in rows if row.aws_id}
    by_uuid = {str(row.uuid): row for row in rows}
    for machine in cloud.machines():
        if not machine.live or _is_held(by_id.get(machine.id)):
            continue
        row = by_uuid.get(machine.tags.get(INSTANCE_TAG, ""))
        if row is not None and not row.aws_id:
            machines.take(row, machine)
            audit.record("instance.adopted", row, by=None, team=row.team, aws_id=machine.id)
            continue
        yield _stray_machine(cloud, machine, row)


def _is_held(row: Instance | None) -> bool:
    """Whether a row looks after its machine; an ended one whose machine lives is told to end it."""
    if row is None:
        return False
    if row.status != Status.TERMINATED:
        return True
    if row.wanted == Wanted.TERMINATED:
        Instance.objects.filter(pk=row.pk, due_at=None).update(due_at=Now())
        return True
    return False


def _stray_machine(cloud: Machines, machine: Machine, row: Instance | None) -> Stray:
    hour = prices.hourly(machine.type, cloud.region)
    details = {
        "state": machine.state, "instance_type": machine.type, "image_id": machine.image_id,
        "zone": machine.zone, "public_ip": machine.public_ip, "private_ip": machine.private_ip,
        "hourly_usd": None if hour is None else str(hour),
        "team": row.team.slug if row and row.team else "",
    }  # fmt: skip
    return Stray(
        OrphanKind.MACHINE, machine.id, machine.tags.get("Name", ""),
        delete=partial(cloud.terminate, machine.id), details=details, made_at=machine.launched_at,
    )  # fmt: skip


def _things(cloud: Machines, rows: dict[str, Instance]) -> Iterator[Stray]:
    """Groups, key pairs and addresses that no row uses."""
    groups = {row.group_id for row in rows.values()}
    for group in cloud.groups():
        if group.id not in groups:
            yield Stray(OrphanKind.GROUP, group.id, group.name, delete=partial(cloud.delete_group, group.id))
    for pair in cloud.key_pairs():
        if _row_of(pair.tags, rows) is None:
            yield Stray(
                OrphanKind.KEY_PAIR, pair.name, pair.name, made_at=pair.made_at,
                delete=partial(cloud.delete_key_pair, pair.name),
            )  # fmt: skip
    for address in cloud.addresses():
        row = _row_of(address.tags, rows)
        if row is None or not row.elastic:
            yield Stray(
                OrphanKind.ADDRESS, address.id, address.ip, delete=partial(cloud.release, address.id),
                details={"machine": address.machine, "hourly_usd": str(prices.address_hour())},
            )  # fmt: skip


def _row_of(tags: Tags, rows: dict[str, Instance]) -> Instance | None:
    return rows.get(tags.get(INSTANCE_TAG, ""))


def _rows(cloud: Machines, rows: list[Instance]) -> Iterator[Stray]:
    """Rows whose machine AWS does not know."""
    for row in rows:
        if not row.aws_id or row.status == Status.TERMINATED or machines.is_young(row):
            continue
        if cloud.find(row.aws_id) is None:
            yield Stray(
                OrphanKind.ROW, row.aws_id, row.name, row=row, made_at=row.launched_at,
                details={"team": row.team.slug if row.team else ""},
                delete=partial(_give_up, row.pk),
            )  # fmt: skip


def _give_up(pk: int) -> None:
    """Let the fleet see that the machine is gone."""
    Instance.objects.filter(pk=pk).update(wanted=Wanted.TERMINATED, due_at=Now())


def _list(stray: Stray, region: str) -> None:
    Orphan.objects.update_or_create(
        kind=stray.kind,
        region=region,
        identifier=stray.identifier,
        defaults={
            "instance": stray.row,
            "name": stray.name[:200],
            "details": stray.details,
            "made_at": stray.made_at,
            "seen_at": timezone.now(),
        },
    )


def _deleted(stray: Stray, region: str) -> bool:
    """Delete it when somebody asked for that; it has just been found again with our tag on it."""
    asked = Orphan.objects.filter(
        kind=stray.kind, region=region, identifier=stray.identifier, delete_asked_by__isnull=False
    ).first()
    if asked is None:
        return False
    try:
        stray.delete()
    except CloudError as error:
        logger.warning("%s could not be deleted: %s", asked, error.detail)
        stray.details["trouble"] = error.detail[:500]
        return False
    audit.record(
        "orphan.deleted", asked, by=asked.delete_asked_by, identifier=stray.identifier, region=region
    )
    return True


def _wake_forgotten() -> None:
    """No machine that is there stays without its next turn, whatever became of the worker that had it."""
    there = Instance.objects.filter(due_at=None).exclude(status=Status.TERMINATED)
    there = there.filter(Q(kind=Kind.LOCAL) | Q(kind=Kind.SERVER) | ~Q(aws_id=""))
    there.exclude(kind=Kind.SERVER, host_keys=[]).update(due_at=Now())


def _forget_old_measurements() -> None:
    limit = timezone.now() - timedelta(days=settings.MEASUREMENT_DAYS)
    Measurement.objects.filter(at__lt=limit).delete()
