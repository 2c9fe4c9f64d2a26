"""What is wanted of a machine, written down for the fleet's next turn."""

from django.db import transaction
from django.utils import timezone

from instances.models import Instance
from portal.core import audit
from portal.core.models import User


@transaction.atomic
def want(instance: Instance, wanted: str, *, by: User | None = None, reason: str = "") -> None:
    """Ask for a machine that runs, is stopped, or is gone; it becomes so within seconds."""
    Instance.objects.filter(pk=instance.pk).update(wanted=wanted, due_at=timezone.now())
    instance.wanted = wanted
    audit.record(f"instance.wanted_{wanted}", instance, by=by, team=instance.team, reason=reason)
