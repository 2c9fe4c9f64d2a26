"""Machines that are stopped in the evening and started in the morning, by hours in UTC."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction

from instances.models import Instance
from instances.states import Kind, Wanted
from portal.core import audit

# Hours that passed while no worker ran are made up for, but not those of last week.
LOOK_BACK = timedelta(hours=24)


def apply(instance: Instance, now: datetime) -> None:
    """Want what the latest hour of the schedule asks for, once; what people wish afterwards stands."""
    if instance.kind != Kind.EC2 or not (instance.stop_at or instance.start_at):
        return
    since = instance.scheduled_until
    wanted = latest_wish(instance, since, now) if since else None
    if wanted is None and since and now - since < timedelta(minutes=1):
        return
    with transaction.atomic():
        own_turn = Instance.objects.filter(pk=instance.pk, scheduled_until=since)
        if not own_turn.update(scheduled_until=now):
            return
        instance.scheduled_until = now
        if wanted and wanted != instance.wanted:
            _want(instance, wanted)


def latest_wish(instance: Instance, since: datetime, now: datetime) -> str | None:
    """What the last hour of the schedule between two moments asks for."""
    due = [hour for hour in _hours(instance, now) if max(since, now - LOOK_BACK) < hour[0] <= now]
    return max(due)[1] if due else None


def _hours(instance: Instance, now: datetime) -> Iterator[tuple[datetime, str]]:
    days = {int(day) for day in instance.schedule_days.split(",") if day.strip().isdigit()}
    for back in range(2):
        day = now - timedelta(days=back)
        if day.weekday() not in days:
            continue
        for hour, wanted in ((instance.stop_at, Wanted.STOPPED), (instance.start_at, Wanted.RUNNING)):
            if hour is not None:
                yield datetime.combine(day.date(), hour, tzinfo=now.tzinfo), str(wanted)


def _want(instance: Instance, wanted: str) -> None:
    changed = Instance.objects.filter(pk=instance.pk).exclude(wanted=Wanted.TERMINATED).update(wanted=wanted)
    if changed:
        instance.wanted = wanted
        audit.record(
            f"instance.wanted_{wanted}", instance, by=None, team=instance.team, reason="By its schedule."
        )
