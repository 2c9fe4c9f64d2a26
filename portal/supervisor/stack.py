"""One machine's portal: web and worker as children of a small parent that knows no Django.

Started by `manage.py up`, which replaces itself with it: the parent then needs little memory and
cannot be stopped by anything the portal does.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from portal.supervisor import processes

STOP_SECONDS = 40.0
START_SECONDS = 60.0
MAX_BACK_OFF_SECONDS = 30.0
# A child that lived this long was well; its next death counts as the first one.
WELL_SECONDS = 60.0


@dataclass
class Child:
    """A process that should always run."""

    name: str
    argv: Sequence[str]
    # What it gets when we are killed: the worker ends its queue in order, the web server need not.
    on_our_death: signal.Signals
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    deaths: int = 0
    next_start: float = field(default=0.0)

    def start_if_due(self) -> None:
        if self.process is not None or time.monotonic() < self.next_start:
            return
        parent = os.getpid()
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: PLW1509  (we have one thread)
            self.argv,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: processes.begin_child(parent, self.on_our_death),
        )

    def note_death(self) -> None:
        """When it has ended: say so, and let it rest a little longer each time."""
        if self.process is None or self.process.poll() is None:
            return
        lived = time.monotonic() - self.started_at
        self.deaths = 1 if lived > WELL_SECONDS else self.deaths + 1
        rest = min(MAX_BACK_OFF_SECONDS, 2.0 ** (self.deaths - 1) - 1)
        say(
            f"{self.name} ended ({self.process.returncode}) after {lived:.0f} s; starting it again in {rest:.0f} s."
        )
        processes.signal_group(self.process.pid, signal.SIGKILL)
        self.process = None
        self.next_start = time.monotonic() + rest

    def signal(self, what: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(what)

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None


class Stack:
    """Keeps the children alive, says when the portal answers, and stops all at one signal."""

    def __init__(self, children: Sequence[Child], *, address: tuple[str, int], url: str) -> None:
        self.children = children
        self.address = address
        self.url = url
        self._said_ready = False

    def run(self) -> None:
        """Run until a signal says stop."""
        processes.block_signals()
        began = time.monotonic()
        while True:
            for child in self.children:
                child.note_death()
                child.start_if_due()
            if not self._said_ready and time.monotonic() - began < START_SECONDS:
                self._say_when_ready()
            if processes.next_signal(0.2 if not self._said_ready else self._seconds_to_next()) in (
                processes.STOP_SIGNALS
            ):
                break
        self.stop()

    def stop(self) -> None:
        """Ask all children to end; a second signal, or too much time, ends them at once."""
        say("Stopping. Deployed applications go on running.")
        for child in self.children:
            child.signal(signal.SIGTERM)
        if not processes.wait_until(lambda: all(child.ended() for child in self.children), STOP_SECONDS):
            say("Ending what has not stopped.")
        for child in self.children:
            if child.process is not None:
                processes.signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait(timeout=5)

    def _say_when_ready(self) -> None:
        try:
            socket.create_connection(self.address, timeout=0.2).close()
        except OSError:
            return
        self._said_ready = True
        say(f"The portal runs at {self.url}   (Ctrl-C stops it)")

    def _seconds_to_next(self) -> float:
        waiting = [child.next_start for child in self.children if child.process is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else 60.0


def say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def command(manage: str, *, host: str, port: int, url: str) -> list[str]:
    """The command line that becomes this parent."""
    start = {"manage": manage, "host": host, "port": port, "url": url}
    return [sys.executable, "-m", "portal.supervisor.stack", json.dumps(start)]


def main() -> None:
    """Read what `command` wrote, and run."""
    start = json.loads(sys.argv[1])
    run = [sys.executable, start["manage"]]
    children = [
        Child("The web server", [*run, "web"], signal.SIGKILL),
        Child("The worker", [*run, "worker"], signal.SIGTERM),
    ]
    Stack(children, address=(start["host"], start["port"]), url=start["url"]).run()


if __name__ == "__main__":
    main()
