"""From a URL or an image to a deployment: whatever is missing on the way is made."""

from typing import Any

from deployments.actions.applications import create_application, update_application
from deployments.actions.conflicts import atomic_again
from deployments.actions.deployments import Started, start
from deployments.actions.environments import create_environment, update_environment
from deployments.actions.fields import canonical
from deployments.actions.refusals import audited
from deployments.actions.variables import set_variable
from deployments.models import Application, Environment
from instances.actions import ensure_local_instance
from instances.models import Instance
from instances.queries import visible_instances
from portal.core import access
from portal.core.errors import ActionDenied, Invalid
from portal.core.models import Team, User


@audited("deployment.start")
@atomic_again
def deploy_url(
    *,
    git_url: str = "",
    image: str = "",
    by: User,
    name: str = "",
    team: Team | None = None,
    environment: str = "dev",
    target: str = "",
    branch: str = "",
    container_port: int | None = None,
    host_port: int | None = None,
    variables: dict[str, str] | None = None,
    git_token: str = "",
    options: dict[str, Any] | None = None,
) -> Started:
    """Deploy a repository, or an image made elsewhere; application and environment are made when new."""
    _check_origin(git_url, image, name)
    application = _application_for(git_url, name=name, team=team, by=by)
    changes: dict[str, Any] = {}
    if container_port is not None and application.container_port != container_port:
        changes["container_port"] = container_port
    if git_token:
        changes["git_token"] = git_token
    if changes:
        update_application(application=application, by=by, **changes)
    place = _environment_for(
        application, name=environment, target=target, host_port=host_port, branch=branch, by=by
    )
    for key, value in (variables or {}).items():
        set_variable(environment=place, by=by, key=key, value=value)
    wishes = {**(options or {}), **({"image": image} if image else {})}
    return start(environment=place, by=by, ref=branch, options=wishes)


def _check_origin(git_url: str, image: str, name: str) -> None:
    """One of the two says what to deploy; an image has no repository to take a name from."""
    if bool(git_url) == bool(image):
        raise Invalid(
            {"git_url": "Give the URL of a repository, or the reference of an image; one of the two."}
        )
    if image and not name:
        raise Invalid({"name": "Give the application a name; an image does not tell one."})


def _application_for(git_url: str, *, name: str, team: Team | None, by: User) -> Application:
    """The application of that name or repository in the person's teams; a new one when there is none."""
    repository = canonical(git_url)
    own = Application.objects.filter(
        deleted_at__isnull=True, team__in=access.teams_with(by, "application.see")
    ).select_related("team")
    if name:
        named = own.filter(name=name).first()
        if named and named.repository != repository:
            raise Invalid(
                {"name": f"{name} is the name of another repository's application. Choose another name."}
            )
        if named:
            return named
    elif (same := own.filter(repository=repository).order_by("id").first()) is not None:
        return same
    return create_application(by=by, team=team or _own_team(by), git_url=git_url, name=name)


def _own_team(by: User) -> Team:
    team = access.teams_with(by, "application.edit").order_by("id").first()
    if team is None:
        raise ActionDenied(
            "You are not a deployer in any team. A team admin can make you one.",
            code="role_missing",
            forbidden=True,
        )
    return team


def _environment_for(
    application: Application, *, name: str, target: str, host_port: int | None, branch: str, by: User
) -> Environment:
    existing = (
        application.environments.select_related("application__team", "instance").filter(name=name).first()
    )
    instance = _instance_named(target, by=by) if target or existing is None else existing.instance
    if existing is None:
        return create_environment(
            application=application, by=by, name=name, instance=instance, branch=branch, public_port=host_port
        )
    if existing.instance_id != instance.pk:
        raise Invalid(
            {
                "target": f"{existing} is on {existing.instance}. Use another environment name to deploy to {instance}."
            }
        )
    if host_port is not None and existing.public_port != host_port:
        update_environment(environment=existing, by=by, public_port=host_port)
    return existing


def _instance_named(target: str, *, by: User) -> Instance:
    if target in ("", "local"):
        return ensure_local_instance()
    instance = visible_instances(by).filter(name=target).first()
    if instance is None:
        raise Invalid(
            {"target": f"There is no instance named {target!r}. Use local, or a name of the instances page."}
        )
    return instance
