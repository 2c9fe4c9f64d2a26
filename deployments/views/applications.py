"""The list of applications, and the page of one with its settings."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from deployments import actions, listing, queries, rules
from deployments.forms import EnvironmentForm, SettingsForm
from deployments.models import Application
from deployments.views.places import places_of
from instances.queries import visible_instances
from portal.core.errors import ActionDenied
from portal.core.pages import PageRequest, page_by_name

RECENT = 10


@require_GET
def application_list(request: PageRequest) -> HttpResponse:
    """The applications of the person's teams, found by name, repository, address or instance."""
    text = request.GET.get("q", "").strip()[:100]
    found = queries.search_applications(request.user, text).prefetch_related("environments__instance")
    context = {"page": page_by_name(found, request.GET.get("after", "")), "q": text}
    fragment = request.headers.get("HX-Target") == "application-list"
    return render(
        request,
        "deployments/_application_list.html" if fragment else "deployments/application_list.html",
        context,
    )


@require_GET
def application(request: PageRequest, name: str) -> HttpResponse:
    """One application: its environments, its deployments, its settings."""
    found = queries.get_application(request.user, name)
    return _show(request, found)


@require_http_methods(["POST"])
def application_settings(request: PageRequest, name: str) -> HttpResponse:
    """Change how it is built and run."""
    found = queries.get_application(request.user, name)
    form = SettingsForm(request.POST, application=found)
    if form.is_valid():
        try:
            actions.update_application(application=found, by=request.user, **form.changes())
        except ValidationError as error:
            form.take_errors(error)
            found = queries.get_application(request.user, name)
        else:
            messages.success(request, "Saved. It takes effect with the next deployment.")
            return redirect(found)
    return _show(request, found, settings_form=form, status=422)


@require_POST
def application_delete(request: PageRequest, name: str) -> HttpResponse:
    """Remove it from its machines; its name has to be typed."""
    found = queries.get_application(request.user, name)
    rules.check_can_delete(request.user, found)
    if request.POST.get("confirmation") != found.name:
        raise ActionDenied(f"Type the name {found.name} to delete it.", code="not_confirmed")
    actions.delete_application(application=found, by=request.user, force="force" in request.POST)
    messages.success(request, f"{found.name} is being removed from its machines. Its history stays.")
    return redirect("applications")


@require_POST
def environment_create(request: PageRequest, name: str) -> HttpResponse:
    """Give it one more place to run."""
    found = queries.get_application(request.user, name)
    form = EnvironmentForm(request.POST, instances=visible_instances(request.user))
    if form.is_valid():
        try:
            made = actions.create_environment(application=found, by=request.user, **form.cleaned_data)
        except ValidationError as error:
            form.take_errors(error)
        else:
            messages.success(request, f"{made} exists. Deploy to it when you are ready.")
            return redirect(made)
    return _show(request, found, environment_form=form, status=422)


def _show(request: PageRequest, found: Application, status: int = 200, **forms: Any) -> HttpResponse:
    context = {
        "application": found,
        "places": places_of(request.user, found),
        "recent": listing.newest(found.deployments.all(), RECENT),
        "may_edit": rules.can_edit(request.user, found),
        "why_not_edit": rules.why_not_edit(request.user, found),
        "why_not_delete": rules.why_not_delete(request.user, found),
        "settings_form": SettingsForm(application=found),
        "environment_form": EnvironmentForm(instances=visible_instances(request.user)),
    }
    return render(request, "deployments/application_detail.html", context | forms, status=status)
