"""Two deployments side by side."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from deployments import compare, queries
from deployments.models import Deployment
from portal.core.errors import Invalid, NotFound
from portal.core.pages import PageRequest


@require_GET
def deployment_compare(request: PageRequest, identifier: str) -> HttpResponse:
    """What is different between this deployment and another one of its application."""
    found = queries.get_deployment(request.user, identifier)
    wanted = request.GET.get("with", "")
    other, trouble = _other(request, found, wanted)
    comparison = None
    if other is not None:
        try:
            comparison = compare.compare(request.user, found, other)
        except Invalid as refusal:
            trouble = " ".join(refusal.messages)
    context = {
        "deployment": found,
        "other": other,
        "comparison": comparison,
        "trouble": trouble,
        "choices": compare.choices(request.user, found),
    }
    status = 422 if trouble and wanted else 200
    return render(request, "deployments/compare.html", context, status=status)


def _other(request: PageRequest, found: Deployment, wanted: str) -> tuple[Deployment | None, str]:
    if not wanted:
        return compare.usual_other(request.user, found), ""
    try:
        return queries.get_deployment(request.user, wanted), ""
    except NotFound:
        return None, "There is no deployment with this id. Choose one below."
