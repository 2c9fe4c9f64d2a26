"""Who may do what with applications and deployments, and when: `check_x` raises, `can_x` answers."""

from typing import Any

from deployments.models import Application, Deployment, Environment, Release
from deployments.states import ACTIVE, FINISHED, Status, Wanted
from instances.models import Instance
from instances.rules import why_not as _why_not
from instances.states import Kind as InstanceKind
from instances.states import Status as InstanceStatus
from instances.states import Wanted as InstanceWanted
from portal.core import access
from portal.core.errors import ActionDenied, NotFound
from portal.core.models import User


def check_can_edit(user: User, application: Application) -> None:
    _check_alive(application)
    access.check(user, "application.edit", application.team)


def check_can_delete(user: User, application: Application) -> None:
    _check_alive(application)
    access.check(user, "application.delete", application.team)


def check_can_operate(user: User, environment: Environment) -> None:
    """Stop, start and restart what runs there."""
    _check_alive(environment.application)
    access.check(user, "application.operate", environment.application.team)
    if environment.live_release_id is None:
        raise ActionDenied("Nothing runs here yet; deploy first.", code="nothing_live")


def check_can_stop(user: User, environment: Environment) -> None:
    check_can_operate(user, environment)
    if environment.wanted == Wanted.STOPPED:
        raise ActionDenied("It is stopped already.", code="already_stopped")


def check_can_run(user: User, environment: Environment) -> None:
    check_can_operate(user, environment)
    if environment.wanted == Wanted.RUNNING:
        raise ActionDenied("It runs already.", code="already_running")


def check_can_set_variables(user: User, environment: Environment) -> None:
    _check_alive(environment.application)
    right = "variable.set_protected" if environment.protected else "variable.set"
    access.check(user, right, environment.application.team)


def check_can_see_variables(user: User, environment: Environment) -> None:
    access.check(user, "variable.see_names", environment.application.team)


def check_can_start(user: User, environment: Environment) -> None:
    _check_alive(environment.application)
    right = "deployment.start_protected" if environment.protected else "deployment.start"
    access.check(user, right, environment.application.team)
    _check_machine(environment.instance)
    if environment.instance.draining:
        raise ActionDenied(
            f"{environment.instance} is being drained and takes no new deployments until somebody ends that.",
            code="instance_draining",
        )


def check_can_cancel(user: User, deployment: Deployment) -> None:
    team = deployment.application.team
    own = deployment.requested_by_id == user.pk
    access.check(user, "deployment.cancel_own" if own else "deployment.cancel_any", team)
    if deployment.status in FINISHED:
        raise ActionDenied(
            f"It has ended already: {deployment.get_status_display().lower()}.", code="finished"
        )
    if deployment.status == Status.CANCELLING:
        raise ActionDenied("It is being cancelled already.", code="already_cancelling")
    if deployment.ending:
        raise ActionDenied("It has failed and is being undone already.", code="already_ending")


def check_can_retry(user: User, deployment: Deployment) -> None:
    check_can_start(user, deployment.environment)
    if deployment.status not in FINISHED:
        raise ActionDenied("It is still under way.", code="not_finished")
    if deployment.status == Status.SUCCEEDED:
        raise ActionDenied(
            "It succeeded; use Redeploy to put the same release there again.", code="succeeded"
        )


def check_can_redeploy(user: User, deployment: Deployment) -> None:
    check_can_start(user, deployment.environment)
    if deployment.release is None:
        raise ActionDenied("It made no release; use Retry.", code="no_release")
    if deployment.status not in FINISHED:
        raise ActionDenied("It is still under way.", code="not_finished")
    if not deployment.release.kept:
        raise ActionDenied(
            "The image of this release was removed; deploy its commit again.", code="image_gone"
        )


def check_can_rollback(user: User, environment: Environment, release: Release | None = None) -> None:
    _check_alive(environment.application)
    access.check(user, "deployment.rollback", environment.application.team)
    _check_machine(environment.instance)
    if environment.live_release_id is None:
        raise ActionDenied("Nothing is live here yet.", code="nothing_live")
    if release is None:
        if not rollback_candidates(environment).exists():
            raise ActionDenied("There is no earlier release to go back to.", code="no_earlier_release")
        return
    if release.environment_id != environment.pk:
        raise NotFound
    if release.pk == environment.live_release_id:
        raise ActionDenied(f"{release} is live now.", code="already_live")
    if not (release.kept and release.proven):
        raise ActionDenied(f"{release} was never live here, or its image was removed.", code="image_gone")


def check_can_protect(user: User, release: Release) -> None:
    """Keep a release's image, or let it go; a protected environment's only as a team admin."""
    environment = release.environment
    _check_alive(environment.application)
    right = "variable.set_protected" if environment.protected else "application.edit"
    access.check(user, right, environment.application.team)
    if not release.kept:
        raise ActionDenied(f"The image of {release} was removed already.", code="image_gone")


def rollback_candidates(environment: Environment) -> Any:
    """The kept releases that were live here before, newest first."""
    return (
        Release.objects.filter(environment=environment, kept=True, proven=True)
        .exclude(pk=environment.live_release_id or 0)
        .order_by("-number")
    )


def is_active(deployment: Deployment) -> bool:
    return deployment.status in ACTIVE


def _check_alive(application: Application) -> None:
    if application.deleted_at is not None:
        raise NotFound


def check_can_replace(user: User, environment: Environment) -> None:
    """A new machine is made only in the place of one that is gone; never silently."""
    access.check(user, "deployment.start", environment.application.team)
    if environment.instance.kind != InstanceKind.EC2 or not is_gone(environment.instance):
        raise ActionDenied(
            f"{environment.instance} is not gone; only a machine that is gone is replaced.", code="not_gone"
        )


def is_gone(instance: Instance) -> bool:
    """The machine is no more, or will be soon."""
    ended = (InstanceStatus.TERMINATING, InstanceStatus.TERMINATED)
    return (
        instance.deleted_at is not None
        or instance.status in ended
        or instance.wanted == InstanceWanted.TERMINATED
    )


def _check_machine(instance: Instance) -> None:
    if is_gone(instance):
        raise ActionDenied(
            f"{instance} is gone or being ended. Choose another instance in the settings of the environment.",
            code="instance_gone",
        )


def why_not_edit(user: User, application: Application) -> str:
    return _why_not(check_can_edit, user, application)


def why_not_delete(user: User, application: Application) -> str:
    return _why_not(check_can_delete, user, application)


def why_not_operate(user: User, environment: Environment) -> str:
    return _why_not(check_can_operate, user, environment)


def why_not_stop(user: User, environment: Environment) -> str:
    return _why_not(check_can_stop, user, environment)


def why_not_replace(user: User, environment: Environment) -> str:
    return _why_not(check_can_replace, user, environment)


def why_not_run(user: User, environment: Environment) -> str:
    return _why_not(check_can_run, user, environment)


def why_not_set_variables(user: User, environment: Environment) -> str:
    return _why_not(check_can_set_variables, user, environment)


def why_not_start(user: User, environment: Environment) -> str:
    return _why_not(check_can_start, user, environment)


def why_not_cancel(user: User, deployment: Deployment) -> str:
    return _why_not(check_can_cancel, user, deployment)


def why_not_retry(user: User, deployment: Deployment) -> str:
    return _why_not(check_can_retry, user, deployment)


def why_not_redeploy(user: User, deployment: Deployment) -> str:
    return _why_not(check_can_redeploy, user, deployment)


def why_not_rollback(user: User, environment: Environment, release: Release | None = None) -> str:
    return _why_not(check_can_rollback, user, environment, release)


def why_not_protect(user: User, release: Release) -> str:
    return _why_not(check_can_protect, user, release)


def can_edit(user: User, application: Application) -> bool:
    return not why_not_edit(user, application)


def can_delete(user: User, application: Application) -> bool:
    return not why_not_delete(user, application)


def can_operate(user: User, environment: Environment) -> bool:
    return not why_not_operate(user, environment)


def can_set_variables(user: User, environment: Environment) -> bool:
    return not why_not_set_variables(user, environment)


def can_see_variables(user: User, environment: Environment) -> bool:
    return not _why_not(check_can_see_variables, user, environment)


def can_start(user: User, environment: Environment) -> bool:
    return not why_not_start(user, environment)


def can_cancel(user: User, deployment: Deployment) -> bool:
    return not why_not_cancel(user, deployment)


def can_retry(user: User, deployment: Deployment) -> bool:
    return not why_not_retry(user, deployment)


def can_redeploy(user: User, deployment: Deployment) -> bool:
    return not why_not_redeploy(user, deployment)


def can_rollback(user: User, environment: Environment, release: Release | None = None) -> bool:
    return not why_not_rollback(user, environment, release)
