"""A machine of the test cloud as its owner reaches it: with ssh, beside the portal and not through it."""

import subprocess
from pathlib import Path
from typing import Any


class Remote:
    """Runs shell scripts as root on one machine, with the pinned host key."""

    def __init__(self, folder: Path, server: dict[str, Any]) -> None:
        self.address = str(server["address"])
        known = folder / f"known-{server['name']}"
        known.write_text(f"{self.address} {server['host_key']}\n")
        self.ssh = [
            "ssh", "-i", server["key_file"], "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes",
            "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", f"{server['user']}@{self.address}",
        ]  # fmt: skip

    def run(self, script: str, *, timeout: float = 60) -> str:
        """What the script prints; it travels by stdin, so that no command line holds any of it."""
        done = self.try_run(script, timeout=timeout)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout

    def try_run(self, script: str, *, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.ssh, "sudo", "bash", "-s"], input=script, capture_output=True, text=True, timeout=timeout
        )

    def start(self, *argv: str) -> "subprocess.Popen[str]":
        """A command that goes on beside the test, fed by its stdin."""
        return subprocess.Popen(
            [*self.ssh, "sudo", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, content: bytes, script: str, *, timeout: float = 60) -> None:
        """Give the content to a command there."""
        done = subprocess.run([*self.ssh, script], input=content, capture_output=True, timeout=timeout)
        assert done.returncode == 0, done.stderr.decode()
