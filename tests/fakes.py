"""Fakes of what lies outside; each is held against the real thing by tests of the same behaviour."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from instances.hosts import jobs, paths
from instances.hosts.base import HostError, JobState, Result, StaleFence

Answer = Result | Exception | Callable[[list[str], bytes], Result]


@dataclass
class FakeJob:
    """A job that was started: what it was to do, what it has said, how it ended (None: it runs)."""

    script: str
    output: bytes = b""
    code: int | None = 0


@dataclass
class FakeHost:
    """A host made of facts: answers by the first words of a command, outcomes by a part of a job's id.

    A command without an answer is not installed. A job without an outcome ends well and says nothing;
    one whose outcome has the code None runs until it is stopped or `end_job` is called.
    """

    answers: Mapping[tuple[str, ...], Answer] = field(default_factory=dict)
    outcomes: Mapping[str, tuple[bytes, int | None]] = field(default_factory=dict)
    root: str = "/srv/portal"
    commands: list[list[str]] = field(default_factory=list)
    inputs: list[bytes] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    taken_ports: set[int] = field(default_factory=set)
    # What is said by whoever listens on a loopback port, to everybody who connects.
    listeners: dict[int, bytes] = field(default_factory=dict)

    def call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        self.commands.append(list(argv))
        self.inputs.append(input)
        known = [words for words in self.answers if tuple(argv[: len(words)]) == words]
        if not known:
            return Result(127, "", f"{argv[0]}: command not found\n")
        answer = self.answers[max(known, key=len)]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Result) else answer(list(argv), input)

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        paths.split_path(path)
        self.files[path], self.modes[path] = content, mode

    def read(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        paths.split_path(path)
        content = self.files.get(path)
        return None if content is None else content[:limit]

    def remove(self, path: str) -> None:
        paths.split_path(path)
        for known in [known for known in self.files if known == path or known.startswith(f"{path}/")]:
            del self.files[known], self.modes[known]

    def start_job(self, id: str, script: str, *, fence: tuple[str, int] | None = None) -> None:
        jobs.check_name(id)
        if fence:
            self._check_fence(*fence)
        if id not in self.jobs:
            parts = [part for part in self.outcomes if part in id]
            output, code = self.outcomes[max(parts, key=len)] if parts else (b"", 0)
            self.jobs[id] = FakeJob(script, output, code)

    def poll_job(self, id: str, offset: int, *, limit: int = 1 << 18) -> JobState:
        job = self.jobs[jobs.check_name(id)]
        piece = job.output[offset : offset + limit]
        return JobState(piece, job.code if offset + len(piece) >= len(job.output) else None)

    def stop_job(self, id: str, *, grace: float = 5) -> None:
        job = self.jobs.get(jobs.check_name(id))
        if job and job.code is None:
            job.code = 143

    def forget_job(self, id: str) -> None:
        job = self.jobs.get(jobs.check_name(id))
        if job and job.code is None:
            raise HostError(f"The job {id} still runs; it must end before it is forgotten.")
        self.jobs.pop(id, None)
        self.remove(f"files/{id}")

    def connect(self, port: int, *, timeout: float) -> socket.socket:
        if port not in self.listeners:
            raise ConnectionRefusedError(f"nobody listens on {port}")
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        theirs.sendall(self.listeners[port])
        theirs.close()
        return ours

    def free_port(self, port: int) -> bool:
        return port not in self.taken_ports and port not in self.listeners

    def end_job(self, id: str, code: int, output: bytes = b"") -> None:
        """Let a running job say something and end."""
        self.jobs[id].output += output
        self.jobs[id].code = code

    def _check_fence(self, key: str, number: int) -> None:
        jobs.check_name(key)
        if self.fences.get(key, 0) > number:
            raise StaleFence(f"{key} was taken over by a number above {number}.")
        self.fences[key] = number
