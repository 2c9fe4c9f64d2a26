"""The plan below the deploy form."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from deployments import planning
from deployments.views import deploy
from deployments.views.plan_lists import lists_of
from portal.core.pages import PageRequest


@require_POST
def deploy_plan(request: PageRequest) -> HttpResponse:
    """What the form would do. With scripts only the plan is sent, else the page with the plan in it."""
    form = deploy.form_of(request, data=request.POST)
    plan, status = deploy.attempt(request, form, planning.plan)
    if not request.headers.get("HX-Request"):
        return deploy.show(request, form, status=status, plan=plan)
    refused = [] if plan else _refusals(form)
    context = {"plan": plan, "plan_lists": lists_of(plan), "plan_refused": refused}
    return render(request, "deployments/_plan.html", context, status=200 if plan else 422)


def _refusals(form: Any) -> list[str]:
    """The form's errors in one list, each with its field."""
    return [
        text
        if name == "__all__"
        else f"{form.fields[name].label or name.replace('_', ' ').capitalize()}: {text}"
        for name, texts in form.errors.items()
        for text in texts
    ]
