"""Who may do what: the role matrix as data, and the one place that reads it."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from portal.core.errors import ActionDenied, NotFound
from portal.core.models import Role, Team, User

PORTAL_ADMIN = "portal admin"
EVERYONE = {Role.VIEWER, Role.DEPLOYER, Role.APPROVER, Role.ADMIN}

# Right → the roles that have it. PORTAL_ADMIN stands for a superuser outside the team.
RIGHTS: dict[str, set[Any]] = {
    "application.see": {*EVERYONE, PORTAL_ADMIN},
    "application.edit": {Role.DEPLOYER, Role.ADMIN},
    "application.delete": {Role.ADMIN, PORTAL_ADMIN},
    "application.operate": {Role.DEPLOYER, Role.ADMIN, PORTAL_ADMIN},
    "variable.see_names": {Role.DEPLOYER, Role.APPROVER, Role.ADMIN, PORTAL_ADMIN},
    "variable.set": {Role.DEPLOYER, Role.ADMIN},
    "variable.set_protected": {Role.ADMIN},
    "deployment.start": {Role.DEPLOYER, Role.ADMIN},
    "deployment.start_protected": {Role.DEPLOYER, Role.ADMIN},
    "deployment.approve": {Role.APPROVER},
    "deployment.cancel_own": {Role.DEPLOYER, Role.APPROVER, Role.ADMIN, PORTAL_ADMIN},
    "deployment.cancel_any": {Role.APPROVER, Role.ADMIN, PORTAL_ADMIN},
    "deployment.rollback": {Role.DEPLOYER, Role.APPROVER, Role.ADMIN, PORTAL_ADMIN},
    # Making a machine of AWS, and ending one that one has made.
    "instance.create": {Role.DEPLOYER, Role.ADMIN, PORTAL_ADMIN},
    "instance.manage": {Role.ADMIN, PORTAL_ADMIN},
    "team.manage": {Role.ADMIN, PORTAL_ADMIN},
    "audit.see_team": {Role.APPROVER, Role.ADMIN, PORTAL_ADMIN},
}


def roles_of(user: User | AnonymousUser, team: Team) -> set[str]:
    """The roles this person has in this team; empty when signed out or disabled."""
    if not isinstance(user, User) or not user.is_active:
        return set()
    roles: set[str] = {row.role for row in _memberships(user) if row.team_id == team.pk}
    if user.is_superuser:
        roles.add(PORTAL_ADMIN)
    return roles


def can(user: User | AnonymousUser, right: str, team: Team) -> bool:
    return bool(roles_of(user, team) & RIGHTS[right])


def check(user: User | AnonymousUser, right: str, team: Team) -> None:
    """Raise unless the person has the right; a stranger learns nothing of the object."""
    roles = roles_of(user, team)
    if not roles & RIGHTS["application.see"]:
        raise NotFound
    if not roles & RIGHTS[right]:
        raise ActionDenied(_sentence(right, team), code="role_missing", forbidden=True)


def teams_with(user: User | AnonymousUser, right: str) -> QuerySet[Team]:
    """The teams in which this person has the right."""
    if not isinstance(user, User) or not user.is_active:
        return Team.objects.none()
    if user.is_superuser and PORTAL_ADMIN in RIGHTS[right]:
        return Team.objects.all()
    roles = [role for role in RIGHTS[right] if role != PORTAL_ADMIN]
    return Team.objects.filter(Q(memberships__user=user, memberships__role__in=roles)).distinct()


def _memberships(user: User) -> list[Any]:
    """The person's memberships, read once per request (the user object lives that long)."""
    cached = getattr(user, "_membership_rows", None)
    if cached is None:
        cached = list(user.memberships.all())
        user._membership_rows = cached  # type: ignore[attr-defined]
    return cached


def _sentence(right: str, team: Team) -> str:
    names = [Role(role).label for role in Role if role in RIGHTS[right]]
    wanted = " or ".join(names) or "portal admin"
    return (
        f"You need the role {wanted} in the team {team.name}. A team admin of {team.name} can give it to you."
    )
