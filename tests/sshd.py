"""A real SSH server on loopback: its own configuration, keys, port and log."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from instances.hosts import keys
from instances.hosts.ssh_target import Target
from tests.servers import free_port

PROGRAM = "/usr/sbin/sshd"
ME = pwd.getpwuid(os.getuid()).pw_name


def installed() -> bool:
    return Path(PROGRAM).exists()


class SSHServer:
    """An sshd in the foreground whose only key is the one it was made with."""

    def __init__(self, folder: Path, *options: str, mounts: Mapping[str, Path] | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.options, self.port = folder, options, free_port()
        self.client, self.host_key = keys.make(), keys.make()
        self.mounts = mounts or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._write("authorized_keys", self.client.public + "\n")
        self.start()

    @property
    def target(self) -> Target:
        return Target("127.0.0.1", self.port, ME, self.client.private, (self.host_key.public,))

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        self._write("host_key", self.host_key.private.reveal())
        self._write("config", "\n".join([*self._lines(), *self.options]) + "\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        command = [PROGRAM, "-D", "-f", str(self.folder / "config"), "-E", str(self.folder / "log")]
        if self.mounts:
            mount = 'while [ "$1" != -- ]; do mount --bind "$2" "$1" || exit; shift 2; done; shift; exec "$@"'
            pairs = [str(part) for pair in self.mounts.items() for part in pair]
            command = ["unshare", "-m", "sh", "-c", mount, "sh", *pairs, "--", *command]
        self._process = subprocess.Popen(command, start_new_session=True)
        deadline = time.monotonic() + 10
        while "Server listening" not in (self.log if (self.folder / "log").exists() else ""):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.02)

    def processes(self) -> list[int]:
        """The listener and whoever serves a connection; not what they run, which has a group of its own."""
        assert self._process
        found, look = [self._process.pid], [self._process.pid]
        while look:
            children = _children(look.pop())
            own = [pid for pid in children if _name(pid).startswith("sshd")]
            found += own
            look += own
        return found

    def freeze(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process:
            own = self.processes()
            for pid in own:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._process.wait(timeout=10)
            (self.folder / "log").unlink(missing_ok=True)
            self._process = None

    def _lines(self) -> Sequence[str]:
        return [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host_key'}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            f"PidFile {self.folder / 'pid'}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "PermitRootLogin prohibit-password",
            "LogLevel DEBUG1",
            "UseDNS no",
            # A shell of some depth does not read what this machine's owner has in .bashrc.
            "SetEnv SHLVL=5",
        ]

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text)


@contextmanager
def server(folder: Path, *options: str, mounts: Mapping[str, Path] | None = None) -> Iterator[SSHServer]:
    """A server for as long as it is needed; `mounts` are files that it alone sees in the place of others."""
    running = SSHServer(folder, *options, mounts=mounts)
    try:
        yield running
    finally:
        running.stop()


def has_sudo() -> bool:
    return ME == "root" or (
        shutil.which("sudo") is not None
        and subprocess.run(["sudo", "-n", "true"], check=False).returncode == 0
    )


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except FileNotFoundError:
        return ""
