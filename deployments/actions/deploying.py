"""From a URL or an image to a deployment: whatever is missing on the way is made."""

from typing import Any

from django.core.exceptions import ValidationError

from deployments import inputs, rules
from deployments.actions.applications import create_application, update_application
from deployments.actions.conflicts import atomic_again
from deployments.actions.deployments import Started, start
from deployments.actions.environments import create_environment, update_environment
from deployments.actions.fields import canonical
from deployments.actions.refusals import audited
from deployments.actions.targets import Wish, instance_for, is_new
from deployments.actions.variables import set_variable
from deployments.models import Application, Environment
from instances.states import Kind
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
    instance_name: str = "",
    instance_type: str = "",
    region: str = "",
    branch: str = "",
    container_port: int | None = None,
    host_port: int | None = None,
    context: str | None = None,
    variables: dict[str, str] | None = None,
    git_token: str = "",
    options: dict[str, Any] | None = None,
) -> Started:
    """Deploy a repository, or an image made elsewhere; application and environment are made when new.

    The target is `local`, the name of an instance, or `ec2` for a new EC2 instance of this environment.
    """
    _check_origin(git_url, image, name)
    wishes = _options(options or {}, image)
    application = _application_for(git_url, name=name, team=team, by=by)
    _adapt(application, by=by, container_port=container_port, context=context, git_token=git_token)
    wish = Wish(target, name=instance_name, instance_type=instance_type, region=region)
    place = _environment_for(
        application, name=environment, wish=wish, host_port=host_port, branch=branch, by=by
    )
    for key, value in (variables or {}).items():
        set_variable(environment=place, by=by, key=key, value=value)
    return start(environment=place, by=by, ref=branch, options=wishes)


def _check_origin(git_url: str, image: str, name: str) -> None:
    """One of the two says what to deploy; an image has no repository to take a name from."""
    if bool(git_url) == bool(image):
        raise Invalid(
            {"git_url": "Give the URL of a repository, or the reference of an image; one of the two."}
        )
    if image and not name:
        raise Invalid({"name": "Give the application a name; an image does not tell one."})


def _options(options: dict[str, Any], image: str) -> dict[str, Any]:
    """What this deployment alone does differently."""
    wishes = {**options, **({"image": image} if image else {})}
    if "build_args" in wishes:
        try:
            wishes["build_args"] = inputs.parse_build_args(wishes["build_args"])
        except ValidationError as error:
            raise Invalid({"build_args": error.messages}) from None
    return wishes


def _application_for(git_url: str, *, name: str, team: Team | None, by: User) -> Application:
    """The application of that name or repository in the person's teams; a new one when there is none."""
    repository = canonical(git_url)
    own = Application.objects.filter(
        deleted_at__isnull=True, team__in=access.teams_with(by, "application.see")
    ).select_related("team")
    if name:
        named = own.filter(name=name).first()
        # An image may stand in for a build of the repository.
        if named and git_url and named.repository != repository:
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


def _adapt(
    application: Application, *, by: User, container_port: int | None, context: str | None, git_token: str
) -> None:
    """Change of the application what the request says differently."""
    changes: dict[str, Any] = {}
    if container_port is not None and application.container_port != container_port:
        changes["container_port"] = container_port
    if context is not None and application.context != context:
        changes["context"] = context
    if git_token:
        changes["git_token"] = git_token
    if changes:
        update_application(application=application, by=by, **changes)


def _environment_for(
    application: Application, *, name: str, wish: Wish, host_port: int | None, branch: str, by: User
) -> Environment:
    existing = (
        application.environments.select_related("application__team", "instance").filter(name=name).first()
    )
    if existing is None:
        instance = instance_for(wish, application=application, by=by)
        return create_environment(
            application=application, by=by, name=name, instance=instance, branch=branch, public_port=host_port
        )
    changes: dict[str, Any] = {}
    # "A new machine" means one of its own, not another one with each deployment.
    has_own = is_new(wish) and existing.instance.kind == Kind.EC2 and not rules.is_gone(existing.instance)
    if wish.target and not has_own:
        instance = instance_for(wish, application=application, by=by)
        if existing.instance_id != instance.pk:
            changes["instance"] = instance
    if host_port is not None and existing.public_port != host_port:
        changes["public_port"] = host_port
    if changes:
        update_environment(environment=existing, by=by, **changes)
    return existing
