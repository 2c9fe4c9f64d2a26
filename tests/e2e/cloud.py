"""The acceptance tools beside the checkout, as tests use them: an AWS whose machines are real, servers, faults."""

import fcntl
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.e2e.portal_process import Portal, wait_until

TOOL = Path(__file__).resolve().parents[3] / "shared" / "cloudbox" / "cloudbox"
UP_SECONDS = 900
EXPORT = re.compile(r"^export (\w+)=(.*)$", re.MULTILINE)


def is_there() -> bool:
    """Whether the tools lie beside the checkout."""
    return TOOL.exists() and os.geteuid() == 0


@cache
def environment() -> dict[str, str]:
    """The variables that lead to the cloud; starts it when it does not run."""
    output = subprocess.run([str(TOOL), "up"], capture_output=True, text=True, timeout=UP_SECONDS, check=True)
    return {name: "".join(shlex.split(value)) for name, value in EXPORT.findall(output.stdout)}


@contextmanager
def held(*, alone: bool) -> Iterator[None]:
    """Share the cloud with other tests, or have it alone: some faults hit whoever asks next."""
    with (Path(tempfile.gettempdir()) / "portal-test-cloud.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


class Cloud:
    """What a test may do to the cloud, and what it may ask."""

    def __init__(self) -> None:
        self.variables = environment()
        self.git = self.variables["CLOUDBOX_GIT"]
        self._own = secrets.token_hex(3)

    def named(self, name: str) -> str:
        """The name of an installation or repository that no other run of the tests has."""
        return f"{name}-{self._own}"

    def app(self, name: str) -> str:
        """The URL of a sample application's repository."""
        return f"{self.git}/apps/{name}.git"

    def portal(self, folder: Path, **changes: str) -> Portal:
        """A portal that knows this cloud, with an installation of its own."""
        aws = {name: value for name, value in self.variables.items() if name.startswith("AWS_")}
        settings = {
            "GIT_ALLOWED_HOSTS": self.git,
            "EC2_AMI_ID": self.variables["CLOUDBOX_AMI"],
            "ALLOWED_SSH_IP": "172.31.0.1/32",
            "PORTAL_BOOTSTRAP_EXTRAS": "sysctl",
            "PORTAL_LEASE_SECONDS": "15",
            "PORTAL_FLEET_SECONDS": "5",
            "HEALTH_CHECK_RETRIES": "20",
        }
        return Portal(folder, **{**aws, **settings, **changes})

    def ask(self, path: str, data: dict[str, Any] | None = None, *, method: str = "") -> Any:
        """The control endpoint."""
        body = json.dumps(data).encode() if data is not None else None
        request = urllib.request.Request(
            self.variables["CLOUDBOX_URL"] + path, data=body, headers={"Content-Type": "application/json"},
            method=method or ("POST" if data is not None else "GET"),
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def new_repository(self, name: str) -> str:
        """An empty repository on the Git server, its own for this test; its URL."""
        bare = Path(self.variables["CLOUDBOX_GIT_DIR"]) / "apps" / f"{name}.git"
        shutil.rmtree(bare, ignore_errors=True)
        shutil.copytree(bare.parent / "hello.git", bare)
        return self.app(name)

    def run(self, *words: str) -> str:
        """The command line of the tools."""
        done = subprocess.run([str(TOOL), *words], capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout

    def fault(self, *words: str) -> None:
        self.run("faults", *words)

    def clear_faults(self) -> None:
        self.ask("/faults", method="DELETE")

    def add_server(self, name: str, *options: str) -> dict[str, Any]:
        """A machine that AWS does not know: address, user, key_file, host_key."""
        added: dict[str, Any] = json.loads(self.run("server", "add", name, *options))
        return added

    def remove_server(self, name: str) -> None:
        self.run("server", "rm", name)

    def machines(self, installation: str) -> list[dict[str, Any]]:
        """The machines that live and carry this installation's tag, as AWS sees them."""
        found = []
        for page in (
            self.ec2()
            .get_paginator("describe_instances")
            .paginate(Filters=[{"Name": "tag:portal:installation", "Values": [installation]}])
        ):
            found += [each for reservation in page["Reservations"] for each in reservation["Instances"]]
        return [each for each in found if each["State"]["Name"] not in ("terminated", "shutting-down")]

    def ec2(self) -> Any:
        import boto3

        names = {"AWS_ACCESS_KEY_ID": "aws_access_key_id", "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key"}
        keys = {argument: self.variables[name] for name, argument in names.items()}
        return boto3.client(
            "ec2",
            region_name=self.variables["AWS_REGION"],
            endpoint_url=self.variables["AWS_ENDPOINT_URL"],
            **keys,
        )

    def end_machines(self, installation: str) -> None:
        """Leave nothing behind for the next test."""
        ids = [machine["InstanceId"] for machine in self.machines(installation)]
        if ids:
            self.ec2().terminate_instances(InstanceIds=ids)


def get(url: str, *, timeout: float = 5) -> tuple[int, str]:
    """Status and text of a page; an error status is an answer as well."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def register(portal: Portal, server: dict[str, Any], name: str, *, jump: str = "") -> None:
    """Register a server as a person does: its key uploaded, its fingerprint confirmed, validated."""
    key = Path(server["key_file"]).read_text()
    portal.run(
        f"""
        from instances import actions
        from instances.models import Instance
        from portal.core.models import User
        by = User.objects.get(username="admin")
        instance = actions.register_server(
            by=by, name={name!r}, ssh_host={server["address"]!r}, ssh_user={server["user"]!r}, private_key={key!r},
            jump=Instance.objects.filter(name={jump!r}).first(),
        )
        actions.confirm_host_key(instance=instance, by=by, host_key={server["host_key"]!r})
        actions.validate(instance=instance, by=by)
        """
    )


def push_files(cloud: Cloud, folder: Path, url: str, app: str, *, version: str = "") -> str:
    """Make a repository's contents those of a sample application; the new commit."""

    def replace(tree: Path) -> None:
        for entry in tree.iterdir():
            if entry.name != ".git":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(TOOL.parent / "apps" / app, tree, dirs_exist_ok=True)
        _write(tree / "VERSION", version or app)

    return push_change(folder, url, replace)


def push_change(folder: Path, url: str, change: Callable[[Path], None]) -> str:
    """Change a repository's files; the new commit."""
    checkout = folder / f"checkout-{time.monotonic_ns()}"
    _git(folder, "clone", "-q", "-b", "main", url, str(checkout))
    change(checkout)
    _git(checkout, "add", "-A")
    _git(checkout, "commit", "-q", "--allow-empty", "-m", f"Change {time.monotonic_ns()}")
    _git(checkout, "push", "-q", "origin", "main")
    return _git(checkout, "rev-parse", "HEAD")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _write(path: Path, text: str) -> None:
    path.chmod(0o644) if path.exists() else None
    path.write_text(text + "\n")


__all__ = ["Cloud", "environment", "get", "is_there", "push_files", "register", "wait_until"]
