"""Running one command in the live container: asked for on a page, carried out by a worker, kept in the audit.

Two events tell all of it, `command.started` and `command.ended`; there is no other row. The command
itself waits sealed in the cache until a worker takes it, and runs as a detached job of the host.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from deployments.models import Environment
from deployments.pipeline import one_off_job, places
from deployments.runtime_logs import redactor_of
from deployments.states import Wanted
from instances.hosts.base import LOST, Host, HostError
from portal.core import access, audit
from portal.core.errors import ActionDenied, Invalid, NotFound
from portal.core.models import AuditEvent, User
from portal.core.queue import enqueue, enqueue_in
from portal.core.refusals import audited
from portal.core.secrets import CannotOpen, Secret, seal, unseal

STARTED, ENDED = "command.started", "command.ended"
COMMAND_LENGTH = 2000
KEPT_SECONDS = 600
# After this long it is over, also when the host never answered.
GIVE_UP_SECONDS = one_off_job.DEADLINE_SECONDS + 60
LOST_SECONDS = GIVE_UP_SECONDS + 60
LOOK_SECONDS = 1.0
SHOWN_RUNS = 10


@dataclass(frozen=True)
class Run:
    """One command: who ran it where, what it said, how it ended (None: it has not)."""

    id: str
    environment: Environment
    command: str
    container: str
    by: str
    at: datetime
    output: str = ""
    ended_at: datetime | None = None
    exit_code: int | None = None
    trouble: str = ""

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None


@audited(STARTED)
@transaction.atomic
def run_command(*, environment: Environment, by: User, command: str) -> Run:
    """Run a command in the live container, with the application's variables; a worker does it in a moment."""
    check_can_run_command(by, environment)
    command = _checked(command)
    if any(not run.is_over for run in recent_runs(environment)[:1]):
        raise ActionDenied("Another command is under way here; wait for its end.", code="command_under_way")
    run = secrets.token_hex(16)
    event = audit.record(
        STARTED, environment, by=by, team=environment.application.team, run=run,
        command=redactor_of(environment)(command), container=environment.live_container,
    )  # fmt: skip
    cache.set(_key("command", run), seal(Secret(command), context=_key("command", run)), KEPT_SECONDS)
    enqueue("deployments.actions.one_off.advance", environment.pk, run)
    return _run(environment, event, None)


def check_can_run_command(user: User, environment: Environment) -> None:
    """Raise unless this person may run commands there now."""
    if environment.application.deleted_at is not None:
        raise NotFound
    access.check(user, _right(environment), environment.application.team)
    if environment.live_release is None:
        raise ActionDenied("Nothing runs here yet; deploy first.", code="nothing_live")
    if environment.wanted == Wanted.STOPPED:
        raise ActionDenied("It is stopped; start it first.", code="stopped")
    if environment.live_release.runtime != "docker":
        raise ActionDenied(
            "Commands need Docker: what runs here is a process without a container to enter.",
            code="no_engine",
        )


def may_ever_run(user: User, environment: Environment) -> bool:
    """Whether this person has the right, whatever is there now; who has it also sees the output."""
    return access.can(user, _right(environment), environment.application.team)


def _right(environment: Environment) -> str:
    # Who runs a command reads every variable and may change what is served: the right to set them.
    return "variable.set_protected" if environment.protected else "variable.set"


def why_not_run_command(user: User, environment: Environment) -> str:
    """Empty when a command may be run, else why not."""
    try:
        check_can_run_command(user, environment)
    except ActionDenied as refusal:
        return refusal.message
    except NotFound:
        return "It is not there."
    return ""


def recent_runs(environment: Environment, *, limit: int = SHOWN_RUNS) -> list[Run]:
    """The last commands, newest first."""
    started = list(_events(environment, STARTED).filter(allowed=True)[:limit])
    oldest = started[-1].pk if started else 0
    ended = {event.details.get("run"): event for event in _events(environment, ENDED).filter(pk__gt=oldest)}
    return [_run(environment, event, ended.get(event.details.get("run"))) for event in started]


def get_run(environment: Environment, run: str) -> Run:
    """One of an environment's commands; raises NotFound."""
    event = _events(environment, STARTED).filter(allowed=True, details__run=run).first()
    if event is None:
        raise NotFound
    return _run(environment, event, _events(environment, ENDED).filter(details__run=run).first())


# --- the worker's part --------------------------------------------------------------------------------


def advance(environment_id: int, run_id: str) -> None:
    """Start the command, or look how far it is; comes again until it has ended."""
    environment = Environment.objects.select_related("application__team", "instance", "live_release").get(
        pk=environment_id
    )
    run = get_run(environment, run_id)
    if run.is_over:
        return
    late = (timezone.now() - run.at).total_seconds() > GIVE_UP_SECONDS
    try:
        over = _look(run, late=late)
    except HostError as error:
        over = late
        if late:
            _end(run, None, "", f"The machine did not answer: {error}")
    if not over:
        enqueue_in(LOOK_SECONDS, "deployments.actions.one_off.advance", environment_id, run_id)


def _look(run: Run, *, late: bool) -> bool:
    """One look at the job, started when it is not there yet; True once the command is over."""
    host = places.place_of(run.environment.instance).runtimes["docker"].host
    job = one_off_job.job_id(run.id)
    if not _begun(host, job):
        sealed = cache.get(_key("command", run.id))
        if sealed is None or late:
            return _end(run, None, "", "It was not started: the worker came too late.")
        try:
            command = unseal(sealed, context=_key("command", run.id)).reveal()
        except CannotOpen as error:
            return _end(run, None, "", f"It was not started: {error}")
        host.start_job(job, one_off_job.script(run.container, command))
        cache.delete(_key("command", run.id))
    output, code = one_off_job.watch(host, job)
    if code is None and late:
        host.stop_job(job)
        return _end(run, None, output, "It did not end in time and was stopped.")
    if code is None:
        cache.set(_key("output", run.id), redactor_of(run.environment)(output), KEPT_SECONDS)
        return False
    lost = "It was cut off: the machine restarted, or somebody ended it." if code == LOST else ""
    _end(run, code, output, lost or one_off_job.remark(code))
    host.forget_job(job)
    return True


def _begun(host: Host, job: str) -> bool:
    try:
        host.poll_job(job, 0, limit=1)
    except KeyError:
        return False
    return True


def _end(run: Run, code: int | None, output: str, trouble: str) -> bool:
    """Write down how it ended, once."""
    if not cache.add(_key("ended", run.id), True, KEPT_SECONDS):
        return True
    started = _events(run.environment, STARTED).select_related("actor").get(details__run=run.id)
    audit.record(
        ENDED, run.environment, by=started.actor, team=run.environment.application.team, run=run.id,
        command=run.command, exit_code=code, reason=trouble,
        output=redactor_of(run.environment)(output), seconds=round((timezone.now() - run.at).total_seconds(), 1),
    )  # fmt: skip
    cache.delete_many([_key("command", run.id), _key("output", run.id)])
    return True


def _checked(command: str) -> str:
    text = command.strip()
    if not text:
        raise Invalid({"command": "Say what to run, for example `python manage.py migrate`."})
    if len(text) > COMMAND_LENGTH:
        raise Invalid({"command": f"At most {COMMAND_LENGTH} characters; put longer ones into a script."})
    if any(ord(character) < 32 and character not in "\n\t" or ord(character) == 127 for character in text):
        raise Invalid({"command": "Remove the control characters."})
    return text


def _events(environment: Environment, action: str) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(
        object_type="environment", object_id=str(environment.uuid), action=action
    ).order_by("-id")


def _run(environment: Environment, started: AuditEvent, ended: AuditEvent | None) -> Run:
    run = str(started.details["run"])
    details = ended.details if ended else {}
    lost = ended is None and (timezone.now() - started.at).total_seconds() > LOST_SECONDS
    ended_at = ended.at if ended else timezone.now() if lost else None
    return Run(
        id=run,
        environment=environment,
        command=started.details["command"],
        container=started.details["container"],
        by=started.actor_name,
        at=started.at,
        output=details["output"] if ended else cache.get(_key("output", run), ""),
        ended_at=ended_at,
        exit_code=details.get("exit_code"),
        trouble=ended.reason if ended else "Nobody knows how it ended: its worker was lost." if lost else "",
    )


def _key(what: str, run: str) -> str:
    return f"one-off-{what}:{run}"
