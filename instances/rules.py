"""Who may use, change and end an instance, and when: `check_x` raises, `why_not_x` answers."""

from collections.abc import Callable
from typing import Any

from instances.models import Instance, Orphan
from instances.states import Kind, OrphanKind, Status, Wanted
from portal.core import access
from portal.core.errors import ActionDenied, Invalid, NotFound
from portal.core.models import Team, User

USABLE = {Status.RUNNING, Status.PENDING}
ENDED = {Status.TERMINATING, Status.TERMINATED}


def can_see(user: User, instance: Instance) -> bool:
    if instance.deleted_at is not None:
        return False
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
    if instance.status not in USABLE or instance.wanted == Wanted.TERMINATED:
        raise ActionDenied(
            f"{instance.name} is {instance.get_status_display().lower()}; nothing can be put there now.",
            code="instance_unusable",
        )
    if instance.draining:
        raise ActionDenied(
            f"{instance.name} is being drained and takes no new deployments.", code="instance_draining"
        )
    if needs_connecting(instance):
        raise ActionDenied(
            f"The fingerprint of {instance.name} is not confirmed yet. Open its page and finish connecting it.",
            code="host_key_unconfirmed",
        )


def needs_connecting(instance: Instance) -> bool:
    """Whether people have to tell the portal which machine this is: one that it did not make itself."""
    made_elsewhere = instance.kind == Kind.SERVER or (instance.kind == Kind.EC2 and not instance.client_token)
    reachable = instance.kind == Kind.SERVER or bool(instance.aws_id)
    return made_elsewhere and reachable and not instance.host_keys


def check_can_register(user: User, team: Team | None) -> None:
    """Add a server that somebody else made, for a team or for everybody."""
    if team is None:
        _check_portal_admin(user, "add a server for everybody")
    else:
        access.check(user, "instance.manage", team)


def check_can_create(user: User, team: Team | None) -> None:
    """Have AWS make a machine, for a team or for everybody."""
    if team is None:
        _check_portal_admin(user, "make a machine for everybody")
    else:
        access.check(user, "instance.create", team)


def check_can_manage(user: User, instance: Instance) -> None:
    """Change what is known of it, and how it is reached."""
    if not can_see(user, instance):
        raise NotFound
    if instance.team is None:
        _check_portal_admin(user, "change a machine that belongs to everybody")
    else:
        access.check(user, "instance.manage", instance.team)


def check_can_operate(user: User, instance: Instance) -> None:
    """Start, stop and end it: those who manage it, and the deployer who had it made."""
    if (
        can_see(user, instance)
        and instance.team is not None
        and instance.created_by_id == user.pk
        and access.can(user, "instance.create", instance.team)
    ):
        return
    check_can_manage(user, instance)


def check_can_start(user: User, instance: Instance) -> None:
    check_can_operate(user, instance)
    _check_aws(instance)
    if instance.status != Status.STOPPED:
        raise _not_now(instance, "started", "is stopped")


def check_can_stop(user: User, instance: Instance) -> None:
    check_can_operate(user, instance)
    _check_aws(instance)
    if instance.status not in (Status.RUNNING, Status.UNREACHABLE) or not instance.aws_id:
        raise _not_now(instance, "stopped", "runs")


def check_can_reboot(user: User, instance: Instance) -> None:
    check_can_operate(user, instance)
    if instance.kind == Kind.LOCAL:
        raise ActionDenied("The portal itself runs on this machine.", code="local")
    if instance.status != Status.RUNNING:
        raise _not_now(instance, "rebooted", "runs")


def check_can_create_now(user: User, instance: Instance) -> None:
    """Have it made at once instead of with its first deployment."""
    check_can_operate(user, instance)
    _check_aws(instance)
    if instance.aws_id or instance.due_at is not None or instance.status != Status.PENDING:
        raise ActionDenied(f"{instance.name} is being made already, or was made.", code="already_made")


def check_can_terminate(user: User, instance: Instance) -> None:
    check_can_operate(user, instance)
    _check_aws(instance)
    if instance.status in ENDED or instance.wanted == Wanted.TERMINATED:
        raise ActionDenied(f"{instance.name} is being ended already.", code="already_ending")


def check_can_forget(user: User, instance: Instance) -> None:
    """Remove the row of a server, or of a machine that is gone."""
    check_can_manage(user, instance)
    if instance.kind == Kind.LOCAL:
        raise ActionDenied("This machine is always there.", code="local")
    never_made = instance.kind == Kind.EC2 and not instance.aws_id and instance.due_at is None
    if instance.kind == Kind.EC2 and instance.status != Status.TERMINATED and not never_made:
        raise ActionDenied(f"{instance.name} is still there at AWS. Terminate it first.", code="still_there")
    places = [str(row) for row in environments_on(instance)[:4]]
    if places:
        raise ActionDenied(
            f"{', '.join(places)} {'lives' if len(places) == 1 else 'live'} on {instance.name}. "
            "Delete or move what lives there first.",
            code="in_use",
        )
    if instance.behind.filter(deleted_at__isnull=True).exists():
        raise ActionDenied(f"Other servers are reached through {instance.name}.", code="jump_host")


def environments_on(instance: Instance) -> Any:
    """Read through the relation: this app knows no deployments."""
    return instance.environments.filter(application__deleted_at__isnull=True).select_related("application")


def check_can_connect(user: User, instance: Instance) -> None:
    """Confirm the first host key of a machine."""
    check_can_manage(user, instance)
    if instance.kind == Kind.LOCAL:
        raise ActionDenied("This machine is not reached by SSH.", code="local")
    if instance.host_keys:
        raise ActionDenied(
            f"The host key of {instance.name} is pinned. Propose a change; a second person has to confirm it.",
            code="already_pinned",
        )


def check_can_propose_key(user: User, instance: Instance) -> None:
    """Ask for another host key in the place of the pinned one."""
    check_can_manage(user, instance)
    if not instance.host_keys:
        raise ActionDenied(f"{instance.name} has no pinned host key yet; confirm one.", code="not_pinned")


def check_can_decide_key(user: User, instance: Instance) -> None:
    """Confirm or refuse another host key that somebody else has proposed."""
    check_can_manage(user, instance)
    if instance.key_change_by_id is None:
        raise ActionDenied("Nobody has proposed another host key.", code="nothing_proposed")


def check_can_confirm_key(user: User, instance: Instance) -> None:
    check_can_decide_key(user, instance)
    if instance.key_change_by_id == user.pk:
        raise ActionDenied(
            "You proposed this host key yourself. Somebody else who manages the machine has to confirm it.",
            code="two_people",
            forbidden=True,
        )


def check_can_replace_key(user: User, instance: Instance) -> None:
    """Sign in to the server with another key of our own."""
    check_can_manage(user, instance)
    if instance.kind == Kind.LOCAL or instance.client_token:
        raise ActionDenied("The portal keeps this machine's key itself.", code="own_key")


def check_can_validate(user: User, instance: Instance) -> None:
    """Connect and look what is there."""
    check_can_manage(user, instance)
    if instance.kind != Kind.LOCAL and not instance.host_keys:
        raise ActionDenied("Confirm the server's fingerprint first.", code="host_key_unconfirmed")
    if instance.kind == Kind.EC2 and instance.status not in (Status.RUNNING, Status.UNREACHABLE):
        raise _not_now(instance, "checked", "runs")


def may_see_orphans(user: User) -> bool:
    """Portal admins, and whoever manages the machines of a team."""
    return user.is_superuser or access.teams_with(user, "instance.manage").exists()


def check_can_reclaim(user: User, orphan: Orphan) -> None:
    """Delete it, or take it over."""
    if user.is_superuser and user.is_active:
        return
    if orphan.instance is not None:
        check_can_manage(user, orphan.instance)
        return
    # Its tag names the team for which it was made.
    teams = access.teams_with(user, "instance.manage")
    if not teams.exists():
        raise NotFound
    if not teams.filter(slug=str(orphan.details.get("team", ""))).exists():
        raise ActionDenied(
            "This was made for no team of yours. A portal admin can adopt or delete it.",
            code="role_missing",
            forbidden=True,
        )


def check_can_adopt(user: User, orphan: Orphan) -> None:
    check_can_reclaim(user, orphan)
    if orphan.kind != OrphanKind.MACHINE:
        raise ActionDenied("Only machines can be adopted.", code="not_a_machine")


def check_can_delete_orphan(user: User, orphan: Orphan, confirm: str) -> None:
    """A machine only when its id was typed: what is on its disk is gone with it."""
    check_can_reclaim(user, orphan)
    if orphan.kind == OrphanKind.ROW:
        raise ActionDenied("AWS has no such machine. Remove its row on its own page.", code="row")
    if orphan.kind == OrphanKind.MACHINE and confirm != orphan.identifier:
        raise Invalid({"confirm": f"Type {orphan.identifier} to delete it. Nothing was done."})


def why_not(check: Callable[..., None], *arguments: Any) -> str:
    """Empty when the check passes, else the sentence for a tooltip."""
    try:
        check(*arguments)
    except ActionDenied as refusal:
        return refusal.message
    except NotFound:
        return "It is not there."
    return ""


def can_manage(user: User, instance: Instance) -> bool:
    return not why_not(check_can_manage, user, instance)


def _check_portal_admin(user: User, what: str) -> None:
    if not (user.is_active and user.is_superuser):
        raise ActionDenied(f"Only a portal admin can {what}.", code="role_missing", forbidden=True)


def _check_aws(instance: Instance) -> None:
    if instance.kind != Kind.EC2:
        raise ActionDenied(
            "The portal starts, stops and ends only machines of AWS. Do this on the server itself.",
            code="not_aws",
        )


def _not_now(instance: Instance, verb: str, when: str) -> ActionDenied:
    return ActionDenied(
        f"{instance.name} is {instance.get_status_display().lower()}; it can be {verb} once it {when}.",
        code="wrong_state",
    )
