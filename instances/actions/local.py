"""The doors through which an instance changes."""

from django.db import transaction

from instances.models import Instance
from instances.states import Kind, Status
from portal.core import audit

LOCAL_NAME = "local"


@transaction.atomic
def ensure_local_instance() -> Instance:
    """Return the instance that is this machine; make its row when there is none."""
    instance, created = Instance.objects.get_or_create(
        kind=Kind.LOCAL, defaults={"name": LOCAL_NAME, "status": Status.RUNNING}
    )
    if created:
        audit.record("instance.created", instance, by=None, kind=Kind.LOCAL)
    return instance
