"""The form that makes a URL out of a Git URL."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from deployments import actions, planning, preflight
from deployments.forms import DeployForm, read_variables
from deployments.forms.deploy import IMAGE
from deployments.models import Environment
from deployments.views.deployments import follow
from deployments.views.environment_settings import in_words
from deployments.views.plan_lists import lists_of
from instances.queries import visible_instances
from portal.core import access
from portal.core.errors import ActionDenied
from portal.core.pages import PageRequest

T = TypeVar("T")
EXAMPLE = "sentiment-api"


@require_http_methods(["GET", "POST"])
def deploy(request: PageRequest) -> HttpResponse:
    """Deploy a repository; query parameters fill the form, and errors keep what was entered."""
    if request.method == "GET":
        return show(request, form_of(request, initial=request.GET.dict()))
    form = form_of(request, data=request.POST)
    mark = request.POST.get("plan_hash")
    act = partial(planning.deploy_planned, plan_hash=mark) if mark else actions.deploy_url
    started, status = attempt(request, form, act)
    return follow(request, started, "is queued") if started else show(request, form, status=status)


def attempt(request: PageRequest, form: DeployForm, act: Callable[..., T]) -> tuple[T | None, int]:
    """Do something with what the form says; what is refused stands in the form, and the status says how."""
    if not form.is_valid():
        return None, 422
    try:
        return act(by=request.user, variables=_variables(request), **_wishes(form)), 200
    except ValidationError as error:
        form.take_errors(in_words(error, _words(form)))
        return None, 422
    except ActionDenied as refusal:
        form.add_error(None, refusal.message)
        return None, 403 if refusal.forbidden else 409


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


def form_of(request: PageRequest, **kwargs: Any) -> DeployForm:
    """The form with what this person may choose."""
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


def show(
    request: PageRequest, form: DeployForm, status: int = 200, plan: planning.Plan | None = None
) -> HttpResponse:
    """The page, with the plan when there is one."""
    rows = [Row(key, value) for key, value in _variables(request).items()] + [Row()]
    context = {
        "form": form,
        "chosen": form.chosen(),
        "variables": rows,
        "allowed_hosts": settings.GIT_ALLOWED_HOSTS,
        "plan": plan,
        "plan_lists": lists_of(plan),
    }
    return render(request, "deployments/deploy.html", context, status=status)
