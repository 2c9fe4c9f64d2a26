"""What a step answers each time it is called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployments.pipeline.context import Context


@dataclass(frozen=True)
class Done:
    """The step has reached its end."""

    message: str = ""


@dataclass(frozen=True)
class Skipped:
    """There was nothing to do, and why."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Call again after this many seconds."""

    seconds: float


Progress = Done | Skipped | Wait
DONE = Done()


class StepFailed(Exception):
    """The step cannot reach its end. `code` names a sentence in failures.py; `detail` is what happened."""

    def __init__(self, code: str, detail: str = "", **evidence: Any) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.evidence = evidence


StepFunction = Callable[["Context"], Progress]


@dataclass(frozen=True)
class StepSpec:
    """A step of a plan: its functions, and how long it may take in all."""

    key: str
    title: str
    run: StepFunction
    timeout_seconds: int
    undo: StepFunction | None = None
    # Acts on the portal's own machine, wherever the application will run.
    at_desk: bool = False


def step(
    key: str, title: str, *, timeout: int, undo: StepFunction | None = None, at_desk: bool = False
) -> Callable[[StepFunction], StepSpec]:
    """Make a step of a function that is called again and again until it says done.

    It looks first, acts at most once, and returns at once.
    """

    def decorate(run: StepFunction) -> StepSpec:
        return StepSpec(key, title, run, timeout, undo, at_desk)

    return decorate


def skip(key: str, title: str, reason: str) -> StepSpec:
    """A step that this plan does not need, and why."""
    return StepSpec(key, title, lambda ctx: Skipped(reason), timeout_seconds=10)
