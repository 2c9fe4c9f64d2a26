"""A server that is reached by SSH as a host."""

import secrets
import socket
from collections.abc import Sequence
from typing import cast

import paramiko

from instances.hosts import jobs, listening, paths, ssh_exec, ssh_scripts
from instances.hosts.base import HostError, HostRefused, JobState, Result
from instances.hosts.processes import OUTPUT_LIMIT
from instances.hosts.ssh_exec import Ended
from instances.hosts.ssh_pool import POOL, Connection, NothingSent, scan
from instances.hosts.ssh_socket import ChannelSocket
from instances.hosts.ssh_target import Target

__all__ = ["SSHHost", "Target", "scan"]

ROOT = "/var/lib/portal"
SHORT_SECONDS = 15.0
FILE_SECONDS = 120.0
# What the server itself kills ends a little later than here, so that ours is the word that counts.
KILL_AFTER_SECONDS = 1.0


class SSHHost:
    """Runs commands and jobs as root on a server, and keeps files below `root` there."""

    def __init__(self, target: Target, root: str = ROOT) -> None:
        self.target = target
        self.root = root

    def __repr__(self) -> str:
        return f"SSHHost({self.target}, {self.root!r})"

    def call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        ended = self._run(list(argv), argv[0], input=input, timeout=timeout)
        return Result(ended.code, _text(ended.out), _text(ended.err))

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        arguments = [_checked(path), str(len(content)), f"{mode:o}"]
        self._script(ssh_scripts.PUT, self.root, *arguments, path=path, input=content, timeout=FILE_SECONDS)

    def read(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        ended = self._script(
            ssh_scripts.READ,
            self.root,
            _checked(path),
            str(limit),
            path=path,
            limit=limit,
            timeout=FILE_SECONDS,
        )
        return None if ended.code == ssh_scripts.MISSING else ended.out

    def remove(self, path: str) -> None:
        self._script(ssh_scripts.REMOVE, self.root, _checked(path), path=path, timeout=FILE_SECONDS)

    def start_job(self, id: str, script: str, *, fence: tuple[str, int] | None = None) -> None:
        draft = f"script.{secrets.token_hex(6)}"
        command = jobs.start_command(self.root, id, draft, fence)
        runner, text = jobs.RUNNER.encode(), script.encode()
        sizes = [str(len(runner)), str(len(text)), str(int(fence is not None))]
        result = self.call(
            ["sh", "-c", ssh_scripts.START, "sh", self.root, f"jobs/{id}", draft, *sizes, *command],
            input=runner + text,
            timeout=SHORT_SECONDS,
        )
        jobs.check_outcome(result, fence)

    def poll_job(self, id: str, offset: int, *, limit: int = 1 << 18) -> JobState:
        folder = jobs.folder(self.root, id)
        arguments = [folder, str(int(offset)), str(int(limit))]
        ended = self._script(ssh_scripts.POLL, *arguments, path=folder, limit=limit + 100)
        if ended.code == ssh_scripts.MISSING:
            raise KeyError(id)
        head, _, piece = ended.out.partition(b"\n")
        code, size = head.split()
        at_end = offset + len(piece) >= int(size)
        return JobState(piece, int(code) if code != b"-" and at_end else None)

    def stop_job(self, id: str, *, grace: float = 5) -> None:
        command = jobs.stop_command(self.root, id, grace)
        result = self.call(["sh", "-c", ssh_scripts.STOP, "sh", command[1], *command], timeout=SHORT_SECONDS)
        jobs.check_outcome(result)

    def forget_job(self, id: str) -> None:
        ended = self._script(ssh_scripts.FORGET, self.root, "-", jobs.check_name(id), path=f"jobs/{id}")
        if ended.code == ssh_scripts.RUNS:
            raise HostError(f"The job {id} still runs; it must end before it is forgotten.")

    def connect(self, port: int, *, timeout: float) -> socket.socket:
        try:
            channel = POOL.get(self.target).forward("127.0.0.1", port, timeout)
        except PermissionError:
            channel = self._forward_by_command(port, timeout)
        # All that clients use of a socket is there.
        return cast(socket.socket, ChannelSocket(channel, timeout))

    def free_port(self, port: int) -> bool:
        tables = self._script(ssh_scripts.TABLES, path="/proc/net/tcp").out.decode()
        return port not in listening.in_table(tables)

    def _script(
        self, script: str, *arguments: str, path: str, input: bytes = b"", limit: int = OUTPUT_LIMIT,
        timeout: float = SHORT_SECONDS,
    ) -> Ended:  # fmt: skip
        """Run one of our scripts; what it refuses is raised, what it merely answers is returned."""
        argv = ["sh", "-c", script, "sh", *arguments]
        ended = self._run(argv, "The server", input=input, timeout=timeout, limit=limit)
        if ended.code in (0, ssh_scripts.MISSING, ssh_scripts.RUNS):
            return ended
        if ended.code == ssh_scripts.LINK:
            raise ValueError(f"{path!r} is a symbolic link or leads through one.")
        if ended.code == ssh_scripts.NOT_A_FILE:
            raise ValueError(f"{path!r} is not a regular file.")
        raise self._complaint(_text(ended.err).strip(), path, ended.code)

    def _complaint(self, said: str, path: str, code: int) -> HostError:
        if jobs.is_full(said):
            return HostRefused(
                "disk_full", f"No space left on the disk below {self.root} of {self.target.host}."
            )
        return HostError(
            f"{path} on {self.target.host}: {said.splitlines()[-1] if said else f'exit code {code}'}"
        )

    def _run(
        self, argv: list[str], name: str, *, input: bytes = b"", timeout: float, limit: int = OUTPUT_LIMIT
    ) -> Ended:
        connection = POOL.get(self.target)
        try:
            ended = self._run_on(connection, argv, name, input=input, timeout=timeout, limit=limit)
        except NothingSent:
            connection = POOL.get(self.target)
            ended = self._run_on(connection, argv, name, input=input, timeout=timeout, limit=limit)
        if connection.sudo_works:
            return ended
        if ended.code and b"sudo" in ended.err:
            self._check_sudo(connection)
        connection.sudo_works = ended.code == 0
        return ended

    def _run_on(
        self, connection: Connection, argv: list[str], name: str, *, input: bytes, timeout: float, limit: int
    ) -> Ended:
        line = ssh_scripts.command_line(
            argv, root=self.root, seconds=timeout + KILL_AFTER_SECONDS, sudo=self._needs_sudo
        )
        return ssh_exec.run(connection, line, name=name, input=input, timeout=timeout, limit=limit)

    @property
    def _needs_sudo(self) -> bool:
        return self.target.user != "root"

    def _check_sudo(self, connection: Connection) -> None:
        """Whether it was sudo that refused, and not the command that spoke of it."""
        ended = ssh_exec.run(
            connection, "exec sudo -n true", name="sudo", input=b"", timeout=SHORT_SECONDS, limit=OUTPUT_LIMIT
        )
        if ended.code:
            user = self.target.user
            raise HostRefused(
                "sudo_missing",
                f"{user} may not use sudo without a password on {self.target.host}. As root there: "
                f"echo '{user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/portal",
            )

    def _forward_by_command(self, port: int, timeout: float) -> paramiko.Channel:
        argv = ["bash", "-c", ssh_scripts.FORWARD, "bash", str(int(port))]
        line = ssh_scripts.command_line(
            argv, root=self.root, seconds=ssh_scripts.FORWARD_SECONDS, sudo=self._needs_sudo
        )
        return ssh_exec.forward(POOL.get(self.target), line, port, timeout)


def _checked(path: str) -> str:
    paths.split_path(path)
    return path


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
