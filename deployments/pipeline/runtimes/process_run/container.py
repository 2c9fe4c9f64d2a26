"""The supervisor: starts the application, keeps what it writes, watches its memory, notes how it ended."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import select
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

from deployments.pipeline.runtimes.process_build import confine, identity
from deployments.pipeline.runtimes.process_run import limits, processes, state
from deployments.pipeline.runtimes.process_run.launch import Launch, prepare
from deployments.pipeline.runtimes.process_run.logfile import LogFile

SET_CHILD_SUBREAPER = 36
PIECE = 1 << 16
LOOK_SECONDS = 0.5
END_SECONDS = 5.0
DEFAULT_GRACE_SECONDS = 10
CANNOT_START = 126


def main(folder: str) -> int:
    """Run the container of this folder to its end; returns the exit code of the application."""
    return Supervisor(Path(folder)).run()


class Supervisor:
    """One start of one container."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec: dict[str, Any] = state.read(folder / "spec.json") or {}
        self.log = LogFile(folder)
        self.out_of_memory = False
        self.kill_at = math.inf
        self.own = [self.spec["folder"], str(folder / "tmp")]
        # Listed while we still may: the application's user sees less.
        self.readable = [*confine.all_but(self.spec["private"]), self.spec["prefix"], *self.own]
        self.facts: dict[str, Any] = {
            "generation": self.spec["generation"],
            "pid": os.getpid(),
            "born": processes.born(os.getpid()),
            "boot": processes.boot(),
            "exit_code": None,
            "out_of_memory": False,
        }

    def run(self) -> int:
        state.write(self.folder / "state.json", self.facts)
        variables = state.take_variables(self.folder, self.spec["generation"])
        if variables is None:
            self.log.say("Its variables are gone; it has to be started anew.")
            return self._ended(CANNOT_START)
        # Whatever the application leaves running becomes our child.
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        launch = prepare(self.spec, self.folder, variables)
        for note in launch.notes:
            self.log.say(note)
        # The group gets this signal as a whole; we stay to see how the application ends.
        signal.signal(signal.SIGTERM, self._asked_to_stop)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self._become_application(launch, writing)
        os.close(writing)
        code = self._watch(child, reading)
        self._end_rest()
        self._read_rest(reading)
        return self._ended(code)

    def _ended(self, code: int) -> int:
        self.facts.update(exit_code=code, out_of_memory=self.out_of_memory)
        state.write(self.folder / "state.json", self.facts)
        return code

    # --- the child -------------------------------------------------------------------------------

    def _become_application(self, launch: Launch, writing: int) -> NoReturn:
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            self._restrict()
            os.chdir(launch.workdir)
            os.execvpe(launch.argv[0], launch.argv, launch.env)  # noqa: S606
        except FileNotFoundError:
            print(f"[portal] {launch.argv[0]}: not found in the image.", flush=True)
            os._exit(127)
        except (OSError, ValueError) as error:
            # ValueError quotes no values: a variable with a NUL byte or a name with `=`.
            print(f"[portal] It could not be started: {error}", flush=True)
            os._exit(CANNOT_START)

    def _restrict(self) -> None:
        spec = self.spec
        limits.apply(
            memory_mb=spec["memory_mb"],
            cpus=spec["cpus"],
            name=spec["name"],
            own_user=spec["uid"] is not None,
        )
        identity.become(spec["uid"])
        confine.forbid_new_rights()
        if not confine.confine(writable=self.own, readable=self.readable) and spec["uid"] is None:
            print("[portal] WARNING: it runs as the portal's own user, and nothing confines it.", flush=True)
        # Set last: a change of user takes it away again.
        identity.die_with_parent(signal.SIGKILL)

    # --- the parent ------------------------------------------------------------------------------

    def _watch(self, child: int, reading: int) -> int:
        """Keep what it writes and look at its memory until it has ended."""
        ended = os.pidfd_open(child)
        os.set_blocking(reading, False)
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        poll.register(ended, select.POLLIN)
        next_look = 0.0
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(LOOK_SECONDS * 1000)}
            if reading in ready and not self._read(reading):
                poll.unregister(reading)
            if time.monotonic() >= next_look:
                self._look_at_memory()
                next_look = time.monotonic() + LOOK_SECONDS
            if time.monotonic() >= self.kill_at:
                self._end_rest()
            if ended in ready:
                os.close(ended)
                return _exit_code(os.waitpid(child, 0)[1])
            self._bury(child)

    def _asked_to_stop(self, *_: object) -> None:
        """Give the application its time, and end it ourselves then: it may have children in other sessions."""
        grace = (state.read(self.folder / "stop.json") or {}).get("grace", DEFAULT_GRACE_SECONDS)
        self.kill_at = min(self.kill_at, time.monotonic() + grace)

    def _read(self, reading: int) -> bool:
        """Keep what lies in the pipe; False at its end."""
        with contextlib.suppress(BlockingIOError):
            piece = os.read(reading, PIECE)
            self.log.write(piece)
            return bool(piece)
        return True

    def _read_rest(self, reading: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(reading, PIECE):
                self.log.write(piece)

    def _bury(self, child: int) -> None:
        """Take leave of orphans that ended; the application itself is left for its own wait."""
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while (found := os.waitid(os.P_ALL, 0, look)) and found.si_pid != child:
            os.waitpid(found.si_pid, 0)

    def _look_at_memory(self) -> None:
        limit = self.spec["memory_mb"] << 20
        used = processes.memory(processes.members(os.getpid()), enough=limit)
        if used > limit:
            self.out_of_memory = True
            self.log.say(
                f"It used {used >> 20} MB and its limit is {self.spec['memory_mb']} MB; it is ended."
            )
            self._end_rest()

    def _end_rest(self) -> None:
        """Kill every process of the container; new ones that appear meanwhile as well."""
        processes.end(lambda: processes.members(os.getpid()), seconds=END_SECONDS)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
