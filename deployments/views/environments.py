"""What can be done with one environment; each goes back to its application's page."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from deployments import actions, queries
from deployments.models import Environment, Release
from deployments.views.deployments import follow
from portal.core.errors import NotFound
from portal.core.pages import PageRequest


@require_POST
def environment_deploy(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """Deploy the newest commit of its branch."""
    place = queries.get_environment(request.user, name, environment)
    if not place.application.git_url:
        # Which image is for people to say.
        wish = {"source": "image", "name": place.application.name, "environment": place.name}
        return redirect(f"{reverse('deploy')}?{urlencode(wish)}")
    return follow(request, actions.start(environment=place, by=request.user), "is queued")


@require_POST
def environment_rollback(request: PageRequest, name: str, environment: str, number: int) -> HttpResponse:
    """Bring one of its releases back."""
    place = queries.get_environment(request.user, name, environment)
    release = _release_of(place, number)
    started = actions.rollback(environment=place, by=request.user, release=release)
    return follow(request, started, f"brings {release} back")


@require_POST
def release_protect(request: PageRequest, name: str, environment: str, number: int) -> HttpResponse:
    """Keep one of its releases however many follow."""
    return _protect(request, name, environment, number, protected=True)


@require_POST
def release_unprotect(request: PageRequest, name: str, environment: str, number: int) -> HttpResponse:
    """Let one of its releases go with the others."""
    return _protect(request, name, environment, number, protected=False)


def _protect(
    request: PageRequest, name: str, environment: str, number: int, *, protected: bool
) -> HttpResponse:
    place = queries.get_environment(request.user, name, environment)
    release = _release_of(place, number)
    actions.protect_release(release=release, by=request.user, protected=protected)
    text = "stays, however many follow." if protected else "goes once enough others have followed."
    messages.success(request, f"{release} {text}")
    return redirect(place)


@require_POST
def environment_stop(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """Stop what runs there."""
    place = queries.get_environment(request.user, name, environment)
    actions.stop_environment(environment=place, by=request.user)
    messages.success(request, f"{place} is being stopped.")
    return redirect(place)


@require_POST
def environment_start(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """Start what was stopped."""
    place = queries.get_environment(request.user, name, environment)
    actions.start_environment(environment=place, by=request.user)
    messages.success(request, f"{place} is being started.")
    return redirect(place)


@require_POST
def environment_restart(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """Stop and start what runs there."""
    place = queries.get_environment(request.user, name, environment)
    actions.restart_environment(environment=place, by=request.user)
    messages.success(request, f"{place} is being restarted.")
    return redirect(place)


@require_POST
def environment_replace(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """Make a new machine in the place of one that is gone, and deploy there."""
    place = queries.get_environment(request.user, name, environment)
    started = actions.replace_machine(environment=place, by=request.user)
    messages.success(request, f"A new machine is being made; {started.deployment} goes there.")
    return redirect(started.deployment)


@require_POST
def variable_set(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """Store a variable."""
    place = queries.get_environment(request.user, name, environment)
    try:
        actions.set_variable(
            environment=place,
            by=request.user,
            key=request.POST.get("key", ""),
            value=request.POST.get("value", ""),
            secret="secret" in request.POST,
        )
    except ValidationError as error:
        messages.error(request, "The variable was not stored. " + " ".join(error.messages))
    else:
        messages.success(request, "Stored. The application gets it with the next deployment.")
    return redirect(place)


@require_POST
def variable_remove(request: PageRequest, name: str, environment: str, key: str) -> HttpResponse:
    """Forget a variable."""
    place = queries.get_environment(request.user, name, environment)
    actions.remove_variable(environment=place, by=request.user, key=key)
    messages.success(
        request, f"{key} is removed. The running application keeps it until the next deployment."
    )
    return redirect(place)


def _release_of(place: Environment, number: int) -> Release:
    release = Release.objects.filter(environment=place, number=number).first()
    if release is None:
        raise NotFound
    return release
