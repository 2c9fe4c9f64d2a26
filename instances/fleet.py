"""Brings every machine nearer to what is wanted of it: one that is due, one step, then the next."""

import logging
import random
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from instances import fleet_ec2, fleet_hosts, following, schedules
from instances.clouds.base import CloudError
from instances.hosts.base import HostError
from instances.models import Instance
from instances.states import Kind
from portal.core.clock import now_plus

logger = logging.getLogger(__name__)

# Longer than any turn; whoever dies in one is replaced after it.
CLAIM_SECONDS = 60.0
AGAIN_SECONDS = 6.0
REFUSED_SECONDS = 60.0


def take_turn() -> bool:
    """Act once for one instance that is due; tell whether there was one."""
    instance = _take_one()
    if instance is None:
        return False
    _set_due(instance, _act_safely(instance))
    return True


def is_due() -> bool:
    """Whether any instance waits for its turn."""
    return Instance.objects.filter(due_at__lte=Now()).exists()


def _take_one() -> Instance | None:
    """Take the one that is longest due; the conditional UPDATE lets one worker have it."""
    due = Instance.objects.filter(due_at__lte=Now()).order_by("due_at").select_related("team", "created_by")
    for instance in due[:5]:
        still_due = Instance.objects.filter(pk=instance.pk, due_at__lte=Now())
        if still_due.update(due_at=now_plus(timedelta(seconds=CLAIM_SECONDS))):
            instance.refresh_from_db()
            return instance
    return None


def _set_due(instance: Instance, seconds: float | None) -> None:
    """Come back after so many seconds, or never; unless somebody has asked for a turn at once meanwhile."""
    following_turn = None if seconds is None else now_plus(timedelta(seconds=seconds))
    # Our claim lies ahead; what is due by now is a wish that was made during the turn.
    Instance.objects.filter(pk=instance.pk, due_at__gt=Now()).update(due_at=following_turn)


def _act_safely(instance: Instance) -> float | None:
    """Act, and say when to look again; whatever goes wrong with one machine is said in its row."""
    try:
        schedules.apply(instance, timezone.now())
        if instance.kind == Kind.EC2:
            return fleet_ec2.look(instance)
        return fleet_hosts.look(instance)
    except CloudError as error:
        return _refused(instance, error)
    except HostError as error:
        logger.warning("%s could not be looked at: %s", instance, error)
        return float(settings.FLEET_SECONDS)
    except Exception:
        logger.exception("the turn of %s broke", instance)
        return REFUSED_SECONDS


def _refused(instance: Instance, error: CloudError) -> float:
    """AWS is asked again soon where that helps; else people are told, and it is tried once a minute."""
    if error.again:
        logger.info("%s: %s", instance, error.detail)
        # All machines of a region are throttled together and must not come back together.
        return AGAIN_SECONDS * random.uniform(0.7, 1.8)  # noqa: S311
    logger.warning("%s: %s: %s", instance, error.code, error.detail)
    following.update(instance, trouble=error.detail[:500])
    return REFUSED_SECONDS
