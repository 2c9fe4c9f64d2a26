"""Showing a deployment in a terminal while it happens, and how it ended."""

import json
from datetime import UTC, datetime
from typing import Any

from deployments.follow import follow
from deployments.logs import Line, ansi
from deployments.models import Deployment
from deployments.pipeline import failures
from deployments.states import LOOKS, Status
from portal.addresses import portal_url
from portal.management.terminal import FAILED, TerminalCommand, wants_colour


def page_of(deployment: Deployment) -> str:
    """The address of a deployment for people."""
    return portal_url().rstrip("/") + deployment.get_absolute_url()


def summary(deployment: Deployment) -> dict[str, Any]:
    """A deployment in one JSON object."""
    return {
        "deployment_id": str(deployment.uuid),
        "short_id": deployment.short_id,
        "application": deployment.application.name,
        "environment": deployment.environment.name,
        "number": deployment.number,
        "status": deployment.status,
        "url": deployment.url,
        "page": page_of(deployment),
    }


def print_line(command: TerminalCommand, line: Line, *, as_json: bool = False) -> None:
    """One log line to stdout."""
    if as_json:
        text = ansi.strip(line.text)
        at = line.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        command.stdout.write(
            json.dumps(
                {"number": line.number, "step": line.step, "at": at, "level": line.level, "message": text}
            )
        )
    else:
        keep = ansi.keep_colours if wants_colour() else ansi.strip
        command.stdout.write(keep(line.text) + ("\x1b[0m" if wants_colour() and "\x1b" in line.text else ""))
    command.stdout.flush()


def follow_to_end(command: TerminalCommand, deployment: Deployment, *, as_json: bool = False) -> int:
    """Lines to stdout, states to stderr, the URL last; the exit code says whether it went live."""
    ended = follow(
        deployment,
        line=lambda line: print_line(command, line, as_json=as_json),
        status=lambda now: command.note(f"{_clock()} {now}: {now.get_status_display().lower()}"),
    )
    if as_json:
        command.stdout.write(json.dumps(summary(ended)))
    if ended.status == Status.SUCCEEDED:
        if not as_json:
            command.stdout.write(ended.url)
        return 0
    command.note(how_it_ended(ended))
    return FAILED


def how_it_ended(deployment: Deployment) -> str:
    """What happened, what it means, and what to do next."""
    parts = [f"{deployment} ended: {deployment.get_status_display().lower()}."]
    if deployment.failure_code:
        words = failures.explain(deployment.failure_code)
        parts += [f"{words.title}. {deployment.failure_detail}".strip(), words.fix]
    else:
        parts.append(LOOKS[Status(deployment.status)].sentence)
    return "\n".join([*parts, f"Look at it: {page_of(deployment)}"])


def _clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
