"""What goes to viewers, as JSON: pages of lines, changes of steps, and how it ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from deployments.logs import ansi
from deployments.logs.lines import Line
from deployments.pipeline import failures
from deployments.states import Status, StepStatus

# Larger pages go out in several frames: one viewer's unread frames must stay small.
FRAME_BYTES = 64 * 1024


@dataclass(frozen=True)
class Frame:
    """Lines with after < number <= last, made once and sent to every viewer who is at `after`."""

    after: int
    last: int
    text: str


class StepState(NamedTuple):
    """What viewers are told of a step."""

    number: int
    key: str
    title: str
    status: str
    message: str
    started_at: datetime | None
    finished_at: datetime | None


class Outcome(NamedTuple):
    """What viewers are told of a deployment's end."""

    status: str
    url: str
    failure_code: str
    failure_detail: str


def encode(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def line_message(line: Line) -> dict[str, Any]:
    """One line; `parts` are (classes, text) pairs where it has colours. A page makes text nodes of them."""
    message: dict[str, Any] = {
        "seq": line.number,
        "step": line.step,
        "t": int(line.at.timestamp() * 1000),
        "level": line.level,
        "text": line.text,
    }
    if "\x1b" in line.text:
        message["parts"] = ansi.parts(line.text)
        message["text"] = ansi.strip(line.text)
    return message


def log_frame(identifier: str, after: int, lines: Sequence[Line]) -> Frame:
    """The next lines after a number, as many as fit."""
    messages, size = [], 0
    for line in lines:
        messages.append(line_message(line))
        size += len(line.text) + 64
        if size >= FRAME_BYTES:
            break
    last = messages[-1]["seq"]
    text = encode(
        {"type": "log", "deployment_id": identifier, "after": after, "seq": last, "lines": messages}
    )
    return Frame(after, last, text)


def step_changes(before: Sequence[StepState], now: Sequence[StepState]) -> list[StepState]:
    """All changes between two looks, in the order in which they happened; what was passed through included."""
    known = {state.number: state for state in before}
    changes: list[tuple[datetime | None, StepState]] = []
    for state in now:
        old = known.get(state.number)
        if state.status == StepStatus.PENDING or (old and old.status == state.status):
            continue
        was_pending = old is None or old.status == StepStatus.PENDING
        if was_pending and state.started_at and state.status != StepStatus.RUNNING:
            changes.append((state.started_at, state._replace(status=StepStatus.RUNNING, message="")))
        changes.append((state.finished_at or state.started_at, state))
    # What has no time has just happened. Sorting keeps the order of steps where times are equal.
    latest = max((at for at, _ in changes if at), default=None)
    return [state for _, state in sorted(changes, key=lambda change: _sort_key(change[0] or latest))]


def step_message(identifier: str, state: StepState, seq: int) -> dict[str, Any]:
    """deployment_update."""
    running = state.status == StepStatus.RUNNING
    at = state.started_at if running else state.finished_at or state.started_at
    return {
        "type": "deployment_update",
        "deployment_id": identifier,
        "step": state.title,
        "status": state.status,
        "message": state.message or f"{state.title}: {StepStatus(state.status).label.lower()}",
        "data": {
            "number": state.number,
            "key": state.key,
            "started_at": _iso(state.started_at),
            "finished_at": None if running else _iso(state.finished_at),
        },
        "seq": seq,
        "timestamp": _iso(at),
    }


def end_message(identifier: str, outcome: Outcome, seq: int) -> dict[str, Any]:
    """deployment_complete with the address, or deployment_error with what happened."""
    message: dict[str, Any] = {"deployment_id": identifier, "status": outcome.status, "seq": seq}
    if outcome.status == Status.SUCCEEDED:
        return {"type": "deployment_complete", **message, "url": outcome.url}
    return {"type": "deployment_error", **message, "error": _what_happened(outcome)}


def _what_happened(outcome: Outcome) -> str:
    if outcome.status == Status.CANCELLED:
        return "It was cancelled."
    title = failures.explain(outcome.failure_code).title if outcome.failure_code else "It failed"
    return f"{title}: {outcome.failure_detail}" if outcome.failure_detail else f"{title}."


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _sort_key(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0
