"""Times at which a machine does not answer: a step waits through them, but not for ever."""

from datetime import datetime, timedelta

from deployments.models import Step
from deployments.pipeline import endings
from deployments.pipeline.progress import StepFailed
from deployments.pipeline.work import Work
from instances.hosts.base import HostError
from instances.states import GONE, Kind
from portal.core.clock import database_now

# A machine that restarts is back by then; one that is not has to be looked at.
LONGEST_SECONDS = 600
AGAIN_SECONDS = 3.0


def note(work: Work, step: Step, error: HostError) -> float:
    """Remember since when the machine is silent; the seconds until it is asked again."""
    instance = work.deployment.instance
    instance.refresh_from_db()
    if instance.status in GONE:
        detail = instance.trouble or f"{instance} is {instance.get_status_display().lower()}."
        endings.fail_step(work, step, StepFailed("instance_gone", detail))
        return 0
    ctx = work.context(step)
    if "silent_since" not in step.data:
        ctx.keep(silent_since=database_now().isoformat())
        ctx.say(f"{error} Trying again.", level="warning")
    return AGAIN_SECONDS


def end(work: Work, step: Step) -> None:
    """The machine has answered: what it was away is added to the patience with this step."""
    if "silent_since" not in step.data:
        return
    seconds = _silent_seconds(step)
    away = step.data.get("away", 0.0)
    data = {key: value for key, value in step.data.items() if key != "silent_since"}
    # On this machine nothing is away: what fails there is a fault that the step has to answer for.
    step.data = data if work.deployment.instance.kind == Kind.LOCAL else {**data, "away": away + seconds}
    work.claim.update_step(step, data=step.data)
    work.context(step).say(f"The machine answers again, after {seconds:.0f} s.")


def check(step: Step) -> None:
    """Fail a step whose machine has been silent for too long."""
    if _silent_seconds(step) > LONGEST_SECONDS:
        raise StepFailed("host_unreachable", f"It has not answered for {LONGEST_SECONDS // 60} minutes.")


def seconds_away(step: Step) -> float:
    """How much longer than usual the step may take."""
    if step.deployment.instance.kind == Kind.LOCAL:
        return 0
    away: float = step.data.get("away", 0.0)
    return away + _silent_seconds(step)


def _silent_seconds(step: Step) -> float:
    since = step.data.get("silent_since")
    if since is None:
        return 0
    passed: timedelta = database_now() - datetime.fromisoformat(since)
    return passed.total_seconds()
