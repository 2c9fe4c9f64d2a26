"""Who may use and manage an instance."""

from instances.models import Instance
from instances.states import Status
from portal.core import access
from portal.core.errors import ActionDenied, NotFound
from portal.core.models import Team, User

USABLE = {Status.RUNNING, Status.PENDING}


def can_see(user: User, instance: Instance) -> bool:
    if instance.team is None:
        return user.is_active
    return access.can(user, "application.see", instance.team)


def check_can_use(*, instance: Instance, team: Team, by: User) -> None:
    """Raise unless this team's applications may be put on the instance."""
    if not can_see(by, instance):
        raise NotFound
    if instance.team is not None and instance.team_id != team.pk:
        raise ActionDenied(
            f"{instance.name} belongs to the team {instance.team.name}.", code="foreign_instance"
        )
    if instance.status not in USABLE:
        raise ActionDenied(
            f"{instance.name} is {instance.get_status_display().lower()}; nothing can be put there now.",
            code="instance_unusable",
        )
