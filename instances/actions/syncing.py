"""Comparing with AWS on demand."""

from django.db import transaction
from django.utils import timezone

from instances import queries, rules
from instances.actions.waking import sweep_soon, wake_fleet
from instances.models import Instance
from instances.states import Kind, Status
from portal.core import audit
from portal.core.errors import ActionDenied
from portal.core.models import User
from portal.core.refusals import audited


@audited("instance.sync")
@transaction.atomic
def sync(*, by: User) -> int:
    """Have every machine of AWS that this person sees looked at now; how many these are."""
    if not rules.may_see_orphans(by):
        raise ActionDenied(
            "You need the role Team admin in a team to compare its machines with AWS.",
            code="role_missing",
            forbidden=True,
        )
    seen = queries.visible_instances(by).filter(kind=Kind.EC2).exclude(status=Status.TERMINATED)
    numbers = list(seen.exclude(aws_id="").values_list("pk", flat=True))
    Instance.objects.filter(pk__in=numbers).update(due_at=timezone.now())
    audit.record("instance.sync", by=by, machines=len(numbers))
    sweep_soon()
    wake_fleet()
    return len(numbers)
