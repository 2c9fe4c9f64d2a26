"""What a step sees of its deployment and of the host, and the only ways in which it may act."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from deployments import logs
from deployments.models import Application, Deployment, Environment, Step
from deployments.pipeline.claims import Claim
from deployments.pipeline.progress import DONE, Progress, StepFailed, Wait
from deployments.pipeline.proxies.base import Proxy
from deployments.pipeline.runtimes.base import Runtime
from instances.hosts.base import LOST, Host, Result
from portal.core.clock import database_now
from portal.core.redact import Redactor

# How soon a job is read again: at once while it talks, rarely while it is silent.
TALKING_SECONDS = 0.05
YOUNG_SECONDS = 0.02
SILENT_SECONDS = 0.5
READ_LIMIT = 1 << 18
LOSSES_ALLOWED = 2


@dataclass
class Context:
    """One slice of one step. Everything written through it carries the claim's fence."""

    claim: Claim
    deployment: Deployment
    step: Step
    host: Host
    redact: Redactor
    proxy: Proxy
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)

    @property
    def application(self) -> Application:
        return self.deployment.application

    @property
    def environment(self) -> Environment:
        return self.deployment.environment

    @property
    def facts(self) -> dict[str, Any]:
        """What earlier steps remembered. Change it with `remember` only."""
        facts: dict[str, Any] = self.deployment.facts
        return facts

    @property
    def runtime(self) -> Runtime:
        return self.runtimes[self.facts["runtime"]]

    def job_id(self, name: str) -> str:
        """The name of a job on the host, known before it exists."""
        return f"d-{self.deployment.uuid.hex}-{self.step.number}-{name}"

    def remember(self, **facts: Any) -> None:
        """Store what was found out, for this and later steps and for a worker after us."""
        self.deployment.facts = {**self.deployment.facts, **facts}
        self.claim.update(facts=self.deployment.facts)

    def keep(self, **data: Any) -> None:
        """Store what only this step needs again at its next call."""
        self.step.data = {**self.step.data, **data}
        self.claim.update_step(self.step, data=self.step.data)

    def seconds_in_step(self) -> float:
        """How long the step has been under way, by the database's clock."""
        assert self.step.started_at is not None
        return (database_now() - self.step.started_at).total_seconds()

    def seconds_undoing(self) -> float:
        """How long the deployment has been undone."""
        began = datetime.fromisoformat(self.facts["undo_from"])
        return (database_now() - began).total_seconds()

    def say(self, text: str, level: str = "info") -> None:
        """Write lines of our own into the log."""
        with transaction.atomic():
            lines = [(level, line) for line in self.redact(text).splitlines()]
            logs.append(self.claim, self.step.number, lines)
        logs.ring(self.deployment)

    def call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        """Run a short command on the host."""
        return self.host.call(argv, input=input, timeout=timeout)

    def job(
        self,
        name: str,
        script: str,
        *,
        files: Mapping[str, bytes] | None = None,
        code: str = "command_failed",
    ) -> Progress:
        """Start this job unless it was started, take over what it wrote, and judge its end.

        `files` are written before the start, readable by the owner only: the place for secrets. The
        script finds them below "$FILES" and must remove what is secret itself; the rest goes with the job.
        """
        id = self.job_id(name)
        cursors = self.step.data.get("jobs", {})
        if name not in cursors:
            self._begin_job(id, name, script, files or {})
            cursors = self.step.data["jobs"]
        cursor = cursors[name]
        if cursor["code"] is None:
            try:
                self._read_on(id, name, cursor)
            except KeyError:
                # The intent was stored but the job was not begun, or the host lost its disk.
                self._start(id, name, script, files or {})
                return Wait(TALKING_SECONDS)
        before, cursor = cursor, self.step.data["jobs"][name]
        if cursor["code"] == LOST and self.repeat_job(name):
            self.say(
                f"{name} was ended from outside, or the machine restarted; beginning it again.", "warning"
            )
            return Wait(TALKING_SECONDS)
        if cursor["code"] is None:
            return Wait(TALKING_SECONDS if cursor is not before else self._patience())
        return self._judge(name, cursor["code"], code)

    def repeat_job(self, name: str) -> bool:
        """Have the next call begin a finished job again; False when that was done often enough."""
        cursor = self.step.data["jobs"][name]
        if cursor.get("losses", 0) >= LOSSES_ALLOWED:
            return False
        self.host.forget_job(self.job_id(name))
        fresh = {"offset": 0, "ingest": {}, "code": None, "unread": 0, "losses": cursor.get("losses", 0) + 1}
        self._store_cursor(name, fresh)
        return True

    def stop_jobs(self) -> None:
        """End whatever this step left running on the host."""
        for name in self.step.data.get("jobs", {}):
            self.host.stop_job(self.job_id(name))

    def has_job(self, name: str) -> bool:
        """Was this job begun already, by us or by a worker before us?"""
        return name in self.step.data.get("jobs", {})

    def job_output(self, name: str, *, last: int = 0) -> str:
        """What a finished job printed, read again: its last bytes, or the whole of a short answer."""
        start = max(0, self.step.data["jobs"][name]["offset"] - last) if last else 0
        output = b""
        while True:
            state = self.host.poll_job(self.job_id(name), start + len(output))
            output += state.output
            if state.code is not None or not state.output:
                return output.decode(errors="replace")

    def _begin_job(self, id: str, name: str, script: str, files: Mapping[str, bytes]) -> None:
        """Store the intent first; then a job that exists without our knowing is impossible."""
        self._store_cursor(name, {"offset": 0, "ingest": {}, "code": None, "unread": 0})
        self._start(id, name, script, files)

    def _start(self, id: str, name: str, script: str, files: Mapping[str, bytes]) -> None:
        self.claim.check()
        folder = f"files/{id}"
        for path, content in files.items():
            self.host.put(f"{folder}/{path}", content, mode=0o600)
        place = shlex.quote(f"{self.host.root}/{folder}")
        preamble = f"FILES={place}\nexport FILES\n" if files else ""
        fence = (f"environment-{self.environment.uuid.hex}-{self.deployment.uuid.hex}", self.claim.fence)
        self.host.start_job(id, preamble + script, fence=fence)

    def _read_on(self, id: str, name: str, cursor: dict[str, Any]) -> None:
        """Take the next piece of output into the log, together with the offset, in one transaction."""
        state = self.host.poll_job(id, cursor["offset"], limit=READ_LIMIT)
        taken = logs.ingest(state.output, cursor["ingest"], final=state.code is not None, redact=self.redact)
        unread = len(state.output) - taken.consumed
        new = {
            **cursor,
            "offset": cursor["offset"] + taken.consumed,
            "ingest": taken.state,
            "code": state.code,
            # An unfinished last line is read again each time; only more than that is news.
            "unread": unread,
        }
        if new == cursor:
            return
        with transaction.atomic():
            if taken.lines:
                logs.append(self.claim, self.step.number, [("info", line) for line in taken.lines])
            self._store_cursor(name, new)
        if taken.lines:
            logs.ring(self.deployment)

    def _patience(self) -> float:
        """A silent job is looked at often while it is young, and rarely later."""
        return min(SILENT_SECONDS, max(YOUNG_SECONDS, self.seconds_in_step() / 5))

    def _store_cursor(self, name: str, cursor: dict[str, Any]) -> None:
        jobs = {**self.step.data.get("jobs", {}), name: cursor}
        self.step.data = {**self.step.data, "jobs": jobs}
        self.claim.update_step(self.step, data=self.step.data)

    def _judge(self, name: str, exit_code: int, code: str) -> Progress:
        if exit_code == 0:
            return DONE
        if exit_code == LOST:
            raise StepFailed("job_lost", f"{name} was ended from outside, or the machine restarted.")
        raise StepFailed(code, f"{name} ended with exit code {exit_code}.", exit_code=exit_code)
