"""The connections of this process: one for each target, shared by its threads, thrown away when broken."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko

from instances.hosts import ssh_connect
from instances.hosts.base import HostError, HostRefused, HostTimeout
from instances.hosts.ssh_target import Target

# A connection that was silent for longer is asked for a sign of life before it is relied on.
SILENT_SECONDS = 15.0
HEARTBEAT_SECONDS = 10.0
OPEN_SECONDS = 15.0
# What blocks inside the library without a deadline of its own is freed this long after ours.
LATE_SECONDS = 3.0
UNUSED_SECONDS = 600.0
# OpenSSH allows ten sessions for each connection; the heartbeat needs room too. One that just ended may
# count for a moment still, and then we are refused and ask again.
SESSIONS = 7
AGAIN_SECONDS = 0.05

PROHIBITED, CONNECT_FAILED = 1, 2


class Connection:
    """A transport on which any number of threads run commands."""

    def __init__(self, target: Target, transport: paramiko.Transport) -> None:
        self.target = target
        self.transport = transport
        self.heard_at = self.used_at = time.monotonic()
        self.sudo_works = target.user == "root"
        self._room = threading.BoundedSemaphore(SESSIONS)

    @property
    def is_open(self) -> bool:
        return self.transport.is_active()

    def note_life(self) -> None:
        self.heard_at = self.used_at = time.monotonic()

    def suspect(self) -> None:
        """Something did not answer in time; whoever comes next asks for a sign of life first."""
        self.heard_at = 0.0

    def drop(self) -> None:
        with suppress(Exception):
            self.transport.close()

    def check_alive(self) -> None:
        """Ask for a sign of life unless there was one a moment ago."""
        if time.monotonic() - self.heard_at > SILENT_SECONDS:
            self.beat()

    def beat(self) -> None:
        """Opening a channel is answered by the server's process, not merely by its system."""
        with suppress(_Answered):
            self._open("session", HEARTBEAT_SECONDS).close()
        self.note_life()

    @contextmanager
    def session(self, command: str) -> Iterator[paramiko.Channel]:
        """A channel on which a command was begun."""
        if not self._room.acquire(timeout=OPEN_SECONDS * 4):
            raise HostTimeout(f"Too many commands run on {self.target.host} at once.")
        try:
            channel = self.open_session(command)
            try:
                yield channel
            finally:
                if not channel.closed:
                    with self.at_most(OPEN_SECONDS):
                        channel.close()
        finally:
            self._room.release()

    def open_session(self, command: str) -> paramiko.Channel:
        """Begin a command on a channel that its user closes some time."""
        deadline = time.monotonic() + OPEN_SECONDS
        while True:
            try:
                return self._open("session", OPEN_SECONDS, command=command)
            except _Answered as error:
                if time.monotonic() > deadline:
                    raise HostError(f"{self.target.host} opens no more sessions for us.") from error
            time.sleep(AGAIN_SECONDS)

    def forward(self, host: str, port: int, timeout: float) -> paramiko.Channel:
        """A channel to a port as the server sees it. Raises ConnectionRefusedError or PermissionError."""
        try:
            return self._open("direct-tcpip", min(timeout, OPEN_SECONDS), (host, port))
        except _Answered as error:
            if error.code == PROHIBITED:
                raise PermissionError("the server forbids forwarding") from error
            raise ConnectionRefusedError(f"nobody listens on {port}") from error

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Free whoever blocks inside the library for want of a deadline there: the connection is dropped."""
        timer = threading.Timer(seconds + LATE_SECONDS, self.drop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _open(
        self, kind: str, seconds: float, address: tuple[str, int] | None = None, *, command: str = ""
    ) -> paramiko.Channel:
        channel = None
        try:
            with self.at_most(seconds):
                channel = self._try_twice(kind, seconds, address)
                if command:
                    channel.exec_command(command)
                return channel
        except paramiko.ChannelException as error:
            self.note_life()
            raise _Answered(error.code) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            if kind == "direct-tcpip" and self.is_open and "imeout" in str(error):
                self.suspect()
                raise TimeoutError("the port did not answer") from error
            self.drop()
            kind_of_error = HostError if channel else NothingSent
            raise kind_of_error(f"The connection to {self.target.host} is gone.") from error

    def _try_twice(self, kind: str, seconds: float, address: tuple[str, int] | None) -> paramiko.Channel:
        """The library keeps one reason for all threads: who comes second hears of none, and asks again."""
        origin = ("127.0.0.1", 0) if address else None
        try:
            channel = self.transport.open_channel(kind, address, origin, timeout=seconds)
        except paramiko.ChannelException:
            raise
        except paramiko.SSHException as error:
            if not self.is_open or "Unable to open" not in str(error):
                raise
            channel = self.transport.open_channel(kind, address, origin, timeout=seconds)
        self.note_life()
        return channel


class NothingSent(HostError):
    """The connection was gone before the command was sent on it; another one may be tried at once."""


class _Answered(Exception):
    """The server answered, and the answer is no."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Pool:
    """Gives each target its connection."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def get(self, target: Target) -> Connection:
        """A connection that showed life within the last seconds; opened when there is none."""
        with self._lock_of(target):
            connection = self._connections.get(target)
            if connection and connection.is_open:
                with suppress(HostError):
                    connection.check_alive()
                    connection.used_at = time.monotonic()
                    return connection
            self._close_unused()
            connection = self._connections[target] = connect(target)
            return connection

    def close(self, target: Target) -> None:
        """Give a connection up; the next use opens another."""
        connection = self._connections.pop(target, None)
        if connection:
            connection.drop()

    def _forget(self) -> None:
        """After a fork the threads that serve the connections are in the parent, and so are the connections."""
        self._lock = threading.Lock()
        self._locks: dict[Target, threading.Lock] = {}
        self._connections: dict[Target, Connection] = {}

    def _lock_of(self, target: Target) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(target, threading.Lock())

    def _close_unused(self) -> None:
        """A server whose address or key changed is never asked for under the old one again."""
        needed = {target.jump for target in list(self._connections)}
        for target, connection in list(self._connections.items()):
            idle = time.monotonic() - connection.used_at > UNUSED_SECONDS
            if not connection.is_open or (idle and target not in needed):
                self.close(target)


def connect(target: Target) -> Connection:
    """Open a connection to a server that is who it should be, and sign in."""
    if not target.host_keys:
        raise HostRefused(
            "ssh_host_key_unknown",
            f"Nobody has confirmed the host key of {target.host}:{target.port} yet; nothing was sent.",
        )
    transport = ssh_connect.shake_hands(_way_to(target), target.host_keys)
    try:
        ssh_connect.check_host_key(target, ssh_connect.shown_key(transport))
        ssh_connect.sign_in(target, transport)
    except BaseException:
        transport.close()
        raise
    return Connection(target, transport)


def scan(host: str, port: int, timeout: float, jump: Target | None = None) -> str:
    """The public host key that the server shows; nothing is sent but the key exchange."""
    target = Target(host, port, "", jump.private_key, (), jump) if jump else None
    sock = _way_to(target) if target else ssh_connect.dial(host, port, timeout=timeout)
    transport = ssh_connect.shake_hands(sock, ("ssh-ed25519",), timeout=timeout)
    try:
        return ssh_connect.shown_key(transport)
    finally:
        transport.close()


def _way_to(target: Target) -> ssh_connect.Way:
    if target.jump is None:
        return ssh_connect.dial(target.host, target.port)
    before = target.jump.host
    try:
        return POOL.get(target.jump).forward(target.host, target.port, ssh_connect.CONNECT_SECONDS)
    except PermissionError as error:
        raise HostError(f"{before} forbids to be passed through (AllowTcpForwarding).") from error
    except (ConnectionRefusedError, TimeoutError) as error:
        raise HostError(f"{target.host}:{target.port} cannot be reached from {before}.") from error


POOL = Pool()
