"""What a supervisor leaves in the data directory, so that a later one finds what outlived it."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from portal.supervisor import processes

PREFIX = "worker-"


@dataclass(frozen=True)
class Record:
    """A supervisor and the process group of its queue; start times guard against ids used again."""

    namespace: str
    supervisor: int
    supervisor_started: int
    group: int
    group_started: int

    @property
    def supervisor_lives(self) -> bool:
        process = processes.look_at(self.supervisor)
        return process is not None and process.started == self.supervisor_started

    def orphans(self) -> list[processes.Process]:
        """Living processes of the group whose supervisor is dead."""
        if self.supervisor_lives:
            return []
        leader = processes.look_at(self.group)
        if leader is not None and leader.started != self.group_started:
            # Somebody else has this id now.
            return []
        return [process for process in processes.members(self.group) if process.started >= self.group_started]


def keep(folder: Path, group: int) -> Path:
    """Write down our queue's process group."""
    us, leader = processes.look_at(os.getpid()), processes.look_at(group)
    path = folder / f"{PREFIX}{os.getpid()}.json"
    if us and leader:
        record = Record(_namespace(), us.pid, us.started, group, leader.started)
        path.write_text(json.dumps(asdict(record)))
    return path


def left_behind(folder: Path) -> Iterator[tuple[Path, Record]]:
    """The records of supervisors that are dead."""
    for path in folder.glob(f"{PREFIX}*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            record = Record(**json.loads(path.read_text()))
            # Ids of another container mean nothing here.
            if record.namespace == _namespace() and not record.supervisor_lives:
                yield path, record


def end_orphans(folder: Path) -> int:
    """Kill what outlived a dead supervisor; return how many processes that were."""
    count = 0
    for path, record in left_behind(folder):
        for process in record.orphans():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
                count += 1
        path.unlink(missing_ok=True)
    return count


def _namespace() -> str:
    """Tells this boot and this container from others."""
    with contextlib.suppress(OSError):
        boot = (processes.PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(processes.PROC / 'self/ns/pid').readlink()}"
    return ""
