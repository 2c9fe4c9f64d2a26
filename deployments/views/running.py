"""What runs: the log of its container and of the proxy before it, and commands run inside it."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware, make_aware
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from deployments import proxy_logs, queries, runtime_follow, runtime_logs
from deployments.actions import one_off
from deployments.models import Deployment, Environment
from deployments.pipeline.runtimes.log_pieces import NoContainer
from deployments.runtime_logs import Line, Source
from instances.hosts.base import HostError
from portal.core.errors import Invalid, NotFound
from portal.core.pages import PageRequest

TAILS = (100, 500, 2000, 10_000)
SEARCH_LENGTH, CURSOR_LENGTH = 200, 60
SHOWN_DEPLOYMENTS = 10


@require_GET
@never_cache
def running_log(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """The end of a container's log, followed from there on."""
    place = queries.get_environment(request.user, name, environment)
    source, search, since = _source(request, place), _search(request), _since(request)
    tail = _tail(request)
    context: dict[str, Any] = {
        "environment": place, "source": source, "deployments": _choices(place), "search": search,
        "tail": tail, "tails": TAILS, "since": request.GET.get("since", "") if since else "", "tab": "app",
    }  # fmt: skip
    try:
        if source is not None:
            look = runtime_logs.read_tail(source, lines=tail, since=since, text=search)
            context |= {"lines": look.lines, "next": _address(source, look.cursor, search)}
    except (HostError, NoContainer) as error:
        context["trouble"] = runtime_logs.trouble_of(error)
    except Invalid as error:
        context["trouble"] = " ".join(error.messages)
    return render(request, "deployments/running_log.html", context)


@require_GET
@never_cache
def running_lines(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """What came after a cursor; nothing when nothing did."""
    place = queries.get_environment(request.user, name, environment)
    source, search = _source(request, place), _search(request)
    if source is None:
        raise NotFound
    cursor = request.GET.get("after", "")[:CURSOR_LENGTH]
    look = runtime_follow.follow(source, cursor)
    newer = bool(place.live_deployment) and not source.is_live and request.GET.get("live") == "1"
    notice = "newer" if newer else look.trouble
    if look.cursor == cursor and notice == request.GET.get("notice", ""):
        return HttpResponse(status=204)
    context = {
        "environment": place, "lines": runtime_logs.matching(look.lines, search), "trouble": look.trouble,
        "newer": newer,
        "next": _address(source, look.cursor, search, notice=notice, live=request.GET.get("live") == "1"),
    }  # fmt: skip
    return render(request, "deployments/_running_lines.html", context)


@require_GET
def running_text(request: PageRequest, name: str, environment: str) -> StreamingHttpResponse:
    """All that is kept of a container's log, as a file."""
    place = queries.get_environment(request.user, name, environment)
    source = _source(request, place)
    if source is None:
        raise NotFound
    response = StreamingHttpResponse(runtime_logs.whole(source), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{source.container}.log.txt"'
    return response


@require_GET
@never_cache
def proxy_log(request: PageRequest, name: str, environment: str, kind: str) -> HttpResponse:
    """The last lines of the proxy's access or error log."""
    place = queries.get_environment(request.user, name, environment)
    context: dict[str, Any] = {"environment": place, "tab": kind, "search": _search(request)}
    read = {"access": proxy_logs.access_log, "error": proxy_logs.error_log}.get(kind)
    if read is None:
        raise NotFound
    try:
        found: list[Line] = read(place)
        context["lines"] = runtime_logs.matching(found, _search(request))
    except HostError as error:
        context["trouble"] = runtime_logs.trouble_of(error)
    return render(request, "deployments/running_log.html", context)


@require_http_methods(["GET", "POST"])
@never_cache
def commands(request: PageRequest, name: str, environment: str) -> HttpResponse:
    """Run a command in the live container; what was run before."""
    place = queries.get_environment(request.user, name, environment)
    context: dict[str, Any] = {"environment": place, "tab": "commands", "command": "", "error": ""}
    status = 200
    if request.method == "POST":
        context["command"] = request.POST.get("command", "")[: one_off.COMMAND_LENGTH + 1]
        try:
            one_off.run_command(environment=place, by=request.user, command=context["command"])
        except ValidationError as error:
            context["error"], status = " ".join(error.messages), 422
        else:
            messages.success(request, "The command is on its way; its output appears here.")
            return redirect("environment-commands", name, environment)
    context["reason"] = one_off.why_not_run_command(request.user, place)
    # The output of a command may hold what only those who may run one are to see.
    context["sees"] = one_off.may_ever_run(request.user, place)
    context["runs"] = one_off.recent_runs(place) if context["sees"] else []
    return render(request, "deployments/running_commands.html", context, status=status)


@require_GET
@never_cache
def command_run(request: PageRequest, name: str, environment: str, run: str) -> HttpResponse:
    """One command as it is now; asked for again while it runs."""
    place = queries.get_environment(request.user, name, environment)
    if not one_off.may_ever_run(request.user, place):
        raise NotFound
    found = one_off.get_run(place, run)
    return render(request, "deployments/_running_command.html", {"environment": place, "run": found})


def _source(request: PageRequest, place: Environment) -> Source | None:
    """The container that the address names; None where nothing was ever started."""
    wanted = request.GET.get("deployment", "")[:8]
    try:
        return runtime_logs.source_of(place, wanted)
    except NotFound:
        if wanted:
            raise
        return None


def _choices(place: Environment) -> list[Deployment]:
    """The deployments whose container may still be there, newest first."""
    rows = Deployment.objects.filter(environment=place, started_at__isnull=False).order_by("-id")
    return list(rows.select_related("application")[:SHOWN_DEPLOYMENTS])


def _search(request: PageRequest) -> str:
    return request.GET.get("search", "").strip()[:SEARCH_LENGTH]


def _tail(request: PageRequest) -> int:
    given = request.GET.get("tail", "")
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else runtime_logs.TAIL
    return max(1, min(number, runtime_logs.MOST_LINES))


def _since(request: PageRequest) -> datetime | None:
    """A moment; what cannot be read as one is left out."""
    try:
        moment = parse_datetime(request.GET.get("since", ""))
    except ValueError:
        return None
    return moment if moment is None or is_aware(moment) else make_aware(moment)


def _address(source: Source, cursor: str, search: str, *, notice: str = "", live: bool | None = None) -> str:
    """Where the lines after a cursor are."""
    place = source.environment
    # What was live when the page was opened: it is told once something newer is.
    was_live = source.is_live if live is None else live
    query = {
        "deployment": source.short_id, "after": cursor, "search": search, "notice": notice,
        "live": "1" if was_live else "",
    }  # fmt: skip
    return f"{reverse('environment-log-lines', args=[place.application.name, place.name])}?{urlencode(query)}"
