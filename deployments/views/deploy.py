"""The form that makes a URL out of a Git URL."""

import dataclasses
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from deployments import actions, preflight
from deployments.forms import DeployForm, read_variables
from deployments.forms.deploy import IMAGE
from deployments.models import Environment
from deployments.views.deployments import follow
from deployments.views.environment_settings import in_words
from instances.queries import visible_instances
from portal.core import access
from portal.core.errors import ActionDenied
from portal.core.pages import PageRequest

EXAMPLE = "sentiment-api"


@require_http_methods(["GET", "POST"])
def deploy(request: PageRequest) -> HttpResponse:
    """Deploy a repository; query parameters fill the form, and errors keep what was entered."""
    if request.method == "GET":
        return _show(request, _form(request, initial=request.GET.dict()))
    form = _form(request, data=request.POST)
    if not form.is_valid():
        return _show(request, form, status=422)
    try:
        started = actions.deploy_url(by=request.user, variables=_variables(request), **_wishes(form))
    except ValidationError as error:
        form.take_errors(in_words(error, _words(form)))
        return _show(request, form, status=422)
    except ActionDenied as refusal:
        form.add_error(None, refusal.message)
        return _show(request, form, status=403 if refusal.forbidden else 409)
    return follow(request, started, "is queued")


@require_POST
def deploy_example(request: PageRequest) -> HttpResponse:
    """Deploy the example that comes with the portal."""
    started = actions.deploy_url(git_url=example_url(), name=EXAMPLE, by=request.user)
    return follow(request, started, "is queued")


@require_POST
def deploy_check(request: PageRequest) -> HttpResponse:
    """What the repository says before anything is made: can it be reached, is there a Dockerfile."""
    url = request.POST.get("git_url", "").strip()
    checks = preflight.check_repository(url, branch=request.POST.get("branch", "").strip()) if url else []
    return render(request, "deployments/_checks.html", {"checks": checks, "url": url})


def example_url() -> str:
    """The address of the example in our own checkout."""
    return (settings.EXAMPLES_DIR / EXAMPLE).as_uri()


def _form(request: PageRequest, **kwargs: Any) -> DeployForm:
    teams = access.teams_with(request.user, "application.edit")
    return DeployForm(teams=teams, instances=visible_instances(request.user), **kwargs)


def _wishes(form: DeployForm) -> dict[str, Any]:
    wishes = form.wishes()
    wishes["environment"] = wishes["environment"] or Environment._meta.get_field("name").default
    return wishes


def _words(form: DeployForm) -> dict[str, str]:
    """What the actions call it, and the field beside which the refusal belongs."""
    words = {"public_port": "host_port", "instance": "target"}
    return words | {"git_url": "image"} if form.chosen() == IMAGE else words


def _variables(request: PageRequest) -> dict[str, str]:
    return read_variables(request.POST.getlist("variable_key"), request.POST.getlist("variable_value"))


@dataclasses.dataclass(frozen=True)
class Row:
    """A name and a value that were entered; the value of a secret is entered again after an error."""

    key: str = ""
    value: str = ""


def _show(request: PageRequest, form: DeployForm, status: int = 200) -> HttpResponse:
    rows = [Row(key, value) for key, value in _variables(request).items()] + [Row()]
    context = {
        "form": form,
        "chosen": form.chosen(),
        "variables": rows,
        "allowed_hosts": settings.GIT_ALLOWED_HOSTS,
    }
    return render(request, "deployments/deploy.html", context, status=status)
