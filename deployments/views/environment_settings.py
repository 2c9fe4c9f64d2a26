"""The settings of one environment on a page of their own."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from deployments import actions, queries, rules
from deployments.forms import PlaceForm
from deployments.models import Environment
from instances.queries import visible_instances
from instances.states import Kind
from portal.core.pages import PageRequest

# The words of the actions, where they are not those of the form.
WORDS = {"target": "instance", "host_port": "public_port"}


@require_http_methods(["GET", "POST"])
def environment_settings(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """Where it is, how it is reached, what becomes of failures."""
    place = queries.get_environment(request.user, name, environment)
    instances = visible_instances(request.user)
    if request.method == "GET":
        return _show(request, place, PlaceForm(environment=place, instances=instances))
    form = PlaceForm(request.POST, environment=place, instances=instances)
    if form.is_valid():
        try:
            actions.update_environment(environment=place, by=request.user, **form.changes())
        except ValidationError as error:
            form.take_errors(in_words(error, WORDS))
            place = queries.get_environment(request.user, name, environment)
        else:
            messages.success(request, "Saved. It takes effect with the next deployment.")
            return redirect(place)
    return _show(request, place, form, status=422)


def in_words(error: ValidationError, words: dict[str, str]) -> ValidationError:
    """The same refusal, by the names of a form's fields."""
    if not hasattr(error, "error_dict"):
        return error
    return ValidationError({words.get(field, field): texts for field, texts in error.message_dict.items()})


def _show(request: PageRequest, place: Environment, form: PlaceForm, status: int = 200) -> HttpResponse:
    context = {
        "environment": place,
        "application": place.application,
        "form": form,
        "on_this_machine": place.instance.kind == Kind.LOCAL,
        "why_not_edit": rules.why_not_edit(request.user, place.application),
    }
    return render(request, "deployments/environment_settings.html", context, status=status)
