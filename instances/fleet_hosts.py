"""Whether a machine answers over SSH, what it is, and how busy."""

import logging
from dataclasses import asdict
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from instances import following
from instances.actions.inspecting import keep_facts
from instances.hosts.base import Host, HostError, HostRefused
from instances.hosts.facts import read_facts
from instances.hosts.metrics import measure
from instances.hosts.of import host_of
from instances.models import Instance, Measurement
from instances.states import Kind, Status
from portal.core import audit

logger = logging.getLogger(__name__)

CALL_SECONDS = 5.0
# Three silences in a row are no accident; together with the look before, a minute is kept.
UNREACHABLE_AFTER = timedelta(seconds=20)
MISSED_SECONDS = 9.0
FACTS_EVERY = timedelta(hours=1)
# What a new machine needs before its SSH server answers.
BOOTING = timedelta(minutes=5)


def look(instance: Instance) -> float | None:
    """Look at a server once; returns the seconds to the next look."""
    if instance.kind != Kind.LOCAL and not instance.host_keys:
        # Nothing is sent to it before somebody has confirmed its key; that wakes us.
        return None
    if instance.status == Status.TERMINATED:
        return None
    return reach(instance)


def reach(instance: Instance) -> float:
    """Say `true` there; a machine that answers is running, one that is silent three times is unreachable."""
    host = host_of(instance)
    try:
        answer = host.call(["true"], timeout=CALL_SECONDS)
        if not answer.ok:
            raise HostError(f"It answers, but no command runs there: {answer.err.strip()[-200:]}")
    except HostRefused as refusal:
        return _refused(instance, refusal)
    except HostError as error:
        return _missed(instance, error)
    following.become(instance, Status.RUNNING, source="ssh", unreachable_since=None, trouble="")
    _note_facts(instance, host)
    _note_measurement(instance, host)
    return float(min(settings.FLEET_SECONDS, settings.MEASUREMENT_SECONDS))


def _refused(instance: Instance, refusal: HostRefused) -> float:
    """Another key, or ours no longer taken: no silence that passes, so it is said at once."""
    if _is_booting(instance):
        return MISSED_SECONDS
    trouble = str(refusal)[:500]
    if instance.trouble != trouble:
        audit.record(
            "instance.refused", instance, by=None, team=instance.team, allowed=False,
            reason=trouble, code=refusal.code,
        )  # fmt: skip
    since = instance.unreachable_since or timezone.now()
    following.become(instance, Status.UNREACHABLE, source="ssh", unreachable_since=since, trouble=trouble)
    return float(settings.FLEET_SECONDS)


def _missed(instance: Instance, error: HostError) -> float:
    if _is_booting(instance):
        return MISSED_SECONDS
    now = timezone.now()
    since = instance.unreachable_since
    if since is None:
        following.update(instance, unreachable_since=now)
        return MISSED_SECONDS
    if now - since < UNREACHABLE_AFTER:
        return MISSED_SECONDS
    trouble = f"It has not answered since {since:%Y-%m-%d %H:%M:%S} UTC: {error}"[:500]
    if instance.status != Status.UNREACHABLE:
        following.become(instance, Status.UNREACHABLE, source="ssh", trouble=trouble)
    return float(settings.FLEET_SECONDS)


def _is_booting(instance: Instance) -> bool:
    """It has only just been made, and has never been signed in to."""
    young = instance.launched_at is not None and timezone.now() - instance.launched_at < BOOTING
    return instance.kind == Kind.EC2 and young and instance.checked_at is None


def _note_facts(instance: Instance, host: Host) -> None:
    """Read what it is once an hour; a system that is another one than before is worth a line."""
    now = timezone.now()
    if instance.checked_at and now - instance.checked_at < FACTS_EVERY:
        return
    try:
        facts = read_facts(host)
    except HostError as error:
        logger.warning("the facts of %s could not be read: %s", instance, error)
        return
    keep_facts(instance, facts)


def _note_measurement(instance: Instance, host: Host) -> None:
    now = timezone.now()
    recent = now - timedelta(seconds=settings.MEASUREMENT_SECONDS * 0.9)
    if Measurement.objects.filter(instance=instance, at__gt=recent).exists():
        return
    try:
        Measurement.objects.create(instance=instance, at=now, **asdict(measure(host)))
    except HostError as error:
        logger.warning("%s could not be measured: %s", instance, error)
