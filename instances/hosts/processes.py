"""Short local commands: the one place outside the portal's own supervisor that starts processes."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from instances.hosts.base import HostError, HostTimeout, Result

OUTPUT_LIMIT = 1 << 20
PIECE = 1 << 16
END_SECONDS = 2
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(argv: Sequence[str], *, input: bytes, timeout: float, folder: str) -> Result:
    """Run a command to its end in a session of its own; its whole group is killed when time is up."""
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment(),
            start_new_session=True,
        )
    except OSError as error:
        return _refused(argv[0], folder, error)
    try:
        out, err = _Conversation(process, input).hold(time.monotonic() + timeout)
        code = process.wait(timeout=END_SECONDS)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise HostTimeout(f"{argv[0]} did not end within {timeout:g} seconds.") from None
    finally:
        _clear_away(process)
    return Result(code if code >= 0 else 128 - code, _text(out), _text(err))


def environment() -> dict[str, str]:
    """All that commands get of our environment: no key, no password, not our virtual environment."""
    own = str(Path(sys.prefix) / "bin")
    path = [entry for entry in os.environ.get("PATH", "").split(":") if entry and entry != own]
    home = os.environ.get("HOME") or str(Path.home())
    return {"PATH": ":".join(path) or DEFAULT_PATH, "HOME": home, "LANG": "C.UTF-8"}


def _refused(program: str, folder: str, error: OSError) -> Result:
    """What a shell answers, so that both kinds of hosts are alike."""
    if isinstance(error, FileNotFoundError) and Path(folder).is_dir():
        return Result(127, "", f"{program}: command not found\n")
    if isinstance(error, PermissionError):
        return Result(126, "", f"{program}: {error.strerror}\n")
    raise HostError(f"{program} could not be started: {error.strerror}.") from error


def _clear_away(process: "subprocess.Popen[bytes]") -> None:
    """Kill the group of a process that did not end, and leave no zombie."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        # One that hangs in the kernel is not waited for.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=END_SECONDS)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _text(raw: bytearray) -> str:
    return raw[:OUTPUT_LIMIT].decode(errors="replace")


class _Conversation:
    """Feeds a process and listens to it, keeping no more of what it says than the limit."""

    def __init__(self, process: "subprocess.Popen[bytes]", input: bytes) -> None:
        self.process = process
        self.input = memoryview(input)
        self.out, self.err = bytearray(), bytearray()
        self.selector = selectors.DefaultSelector()
        self.ended = False

    def hold(self, deadline: float) -> tuple[bytearray, bytearray]:
        """Talk until the process has ended; raise TimeoutError when it does not."""
        process_end = os.pidfd_open(self.process.pid)
        try:
            with self.selector:
                self.selector.register(process_end, selectors.EVENT_READ, self._note_end)
                self._listen()
                while not self.ended:
                    self._take_turns(deadline - time.monotonic())
        finally:
            os.close(process_end)
        return self.out, self.err

    def _listen(self) -> None:
        stdin, stdout, stderr = self._pipes()
        for pipe in (stdin, stdout, stderr):
            os.set_blocking(pipe.fileno(), False)
        self.selector.register(stdin, selectors.EVENT_WRITE, self._feed)
        self.selector.register(stdout, selectors.EVENT_READ, lambda: self._hear(stdout, self.out))
        self.selector.register(stderr, selectors.EVENT_READ, lambda: self._hear(stderr, self.err))

    def _take_turns(self, seconds: float) -> None:
        if seconds <= 0:
            raise TimeoutError
        for key, _ in self.selector.select(seconds):
            act: Callable[[], object] = key.data
            act()
            if self.ended:
                return

    def _feed(self) -> None:
        stdin = self._pipes()[0]
        try:
            written = os.write(stdin.fileno(), self.input[:PIECE]) if self.input else 0
        except BrokenPipeError:
            # It ends without reading all: its own business.
            self.input = self.input[:0]
        else:
            self.input = self.input[written:]
        if not self.input:
            self.selector.unregister(stdin)
            stdin.close()

    def _hear(self, pipe: IO[bytes], heard: bytearray) -> bool:
        """Take what lies in the pipe; False at its end."""
        piece = os.read(pipe.fileno(), PIECE)
        if len(heard) < OUTPUT_LIMIT:
            heard += piece
        if not piece:
            self.selector.unregister(pipe)
        return bool(piece)

    def _note_end(self) -> None:
        """Take the rest. A grandchild may hold the pipes open, so their end is not waited for."""
        self.ended = True
        _, stdout, stderr = self._pipes()
        for pipe, heard in ((stdout, self.out), (stderr, self.err)):
            if pipe not in self.selector.get_map():
                continue
            with contextlib.suppress(BlockingIOError):
                while len(heard) < OUTPUT_LIMIT and self._hear(pipe, heard):
                    pass

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        return self.process.stdin, self.process.stdout, self.process.stderr
