"""One command on a connection: both streams are read in one loop, with a deadline of our own."""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko

from instances.hosts import ssh_pool
from instances.hosts.base import HostError, HostTimeout
from instances.hosts.ssh_pool import Connection

PIECE = 1 << 18
# How long the rest of the output is waited for when the command ended, but a grandchild holds its pipes.
REST_SECONDS = 1.0
TURN_SECONDS = 0.1
FEEDING_TURN_SECONDS = 0.005


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed, as bytes."""

    code: int
    out: bytes
    err: bytes


def run(
    connection: Connection, command: str, *, name: str, input: bytes, timeout: float, limit: int
) -> Ended:
    """Run a command line to its end; no more of each stream is kept than `limit` bytes."""
    with connection.session(command) as channel, _broken_is_said(connection), connection.at_most(timeout):
        return _Conversation(connection, channel, input, limit).hold(name, timeout)


@contextmanager
def _broken_is_said(connection: Connection) -> Iterator[None]:
    """A connection that broke in between is thrown away; what became of the command is not known."""
    try:
        yield
    except (paramiko.SSHException, EOFError, OSError) as error:
        connection.drop()
        raise HostError(f"The connection to {connection.target.host} broke while a command ran.") from error


class _Conversation:
    """Feeds a command and listens to it."""

    def __init__(self, connection: Connection, channel: paramiko.Channel, input: bytes, limit: int) -> None:
        self.connection, self.channel, self.limit = connection, channel, limit
        self.input = memoryview(input)
        self.fed = False
        self.out, self.err = bytearray(), bytearray()
        self.heard_at = time.monotonic()
        self.ended_at = 0.0

    def hold(self, name: str, timeout: float) -> Ended:
        """Talk until the command has ended; raise HostTimeout when it does not."""
        self.channel.setblocking(False)
        # One descriptor tells of both streams and of their end.
        streams = select.poll()
        streams.register(self.channel.fileno(), select.POLLIN)
        deadline = time.monotonic() + timeout
        while True:
            # Looked at before the streams are emptied: afterwards nothing is added.
            ended, at_end = self.channel.exit_status_ready(), self._is_at_end()
            busy = self._feed() | self._hear()
            if ended and not busy and (at_end or self._rest_is_over()):
                return self._outcome()
            left = deadline - time.monotonic()
            if left <= 0:
                self.connection.suspect()
                raise HostTimeout(f"{name} did not end within {timeout:g} seconds.")
            if not busy:
                self._wait(streams, left, at_end)

    def _rest_is_over(self) -> bool:
        """The exit code may come before the last output, which then follows at once."""
        self.ended_at = self.ended_at or time.monotonic()
        return time.monotonic() - max(self.heard_at, self.ended_at) > REST_SECONDS

    def _is_at_end(self) -> bool:
        return bool(self.channel.eof_received or self.channel.closed)

    def _wait(self, streams: select.poll, left: float, at_end: bool) -> None:
        if time.monotonic() - max(self.heard_at, self.connection.heard_at) > ssh_pool.SILENT_SECONDS:
            self.connection.beat()
        if at_end:
            # The end of the streams came first; the descriptor stays readable from now on.
            self.channel.status_event.wait(min(left, TURN_SECONDS))
        else:
            streams.poll(1000 * min(left, TURN_SECONDS if self.fed else FEEDING_TURN_SECONDS))

    def _feed(self) -> bool:
        """Send what fits; whether anything went out."""
        if self.fed:
            return False
        try:
            if not self.input:
                self.channel.shutdown_write()
                self.fed = True
                return True
            if not self.channel.send_ready():
                return False
            sent = self.channel.send(bytes(self.input[: 1 << 15]))
        except TimeoutError:
            return False
        except OSError:
            # It ended without reading all: its own business.
            self.fed = True
            return False
        self.input = self.input[sent:]
        return sent > 0

    def _hear(self) -> bool:
        """Take what lies there of both streams; whether there was any."""
        heard = False
        if self.channel.recv_ready():
            heard = self._keep(self.out, self.channel.recv(PIECE))
        if self.channel.recv_stderr_ready():
            heard |= self._keep(self.err, self.channel.recv_stderr(PIECE))
        if heard:
            self.heard_at = time.monotonic()
        return heard

    def _keep(self, kept: bytearray, piece: bytes) -> bool:
        kept += piece[: max(0, self.limit - len(kept))]
        return bool(piece)

    def _outcome(self) -> Ended:
        code = self.channel.recv_exit_status()
        if code < 0:
            # It was closed without a code: the connection broke, or the shell around it was killed.
            raise EOFError
        self.connection.note_life()
        return Ended(code, bytes(self.out), bytes(self.err))


def forward(connection: Connection, command: str, port: int, timeout: float) -> paramiko.Channel:
    """A channel to a port by a command that passes bytes on, for servers that forbid the usual way."""
    channel = connection.open_session(command)
    answer = b""
    try:
        with _broken_is_said(connection), connection.at_most(timeout):
            channel.settimeout(timeout)
            try:
                while len(answer) < 3 and (piece := channel.recv(3 - len(answer))):
                    answer += piece
            except TimeoutError:
                raise HostTimeout(f"Port {port} did not answer within {timeout:g} seconds.") from None
        if answer != b"ok\n":
            raise ConnectionRefusedError(f"nobody listens on {port}")
    except BaseException:
        channel.close()
        raise
    return channel
