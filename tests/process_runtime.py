"""What the tests of the process runtime share: a host, checkouts, and builds that are waited for."""

import http.client
import io
import os
import shutil
import socket
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from deployments.pipeline.progress import DONE, Progress, StepFailed, Wait
from deployments.pipeline.runtimes.base import BuildSpec, Container, RunSpec
from deployments.pipeline.runtimes.process import ProcessRuntime
from instances.hosts.local import LocalHost

PATIENCE_SECONDS = 90


@dataclass
class Jobs:
    """The part of a step's context that a runtime uses, on a real host."""

    host: LocalHost
    id: str
    offsets: dict[str, int] = field(default_factory=dict)
    output: bytes = b""

    def has_job(self, name: str) -> bool:
        return name in self.offsets

    def job_output(self, name: str, *, last: int = 0) -> str:
        return self.output[-last:].decode(errors="replace")

    def say(self, text: str, level: str = "info") -> None:
        self.output += text.encode() + b"\n"

    def job(self, name: str, script: str, *, files: Mapping[str, bytes] | None = None, code: str) -> Progress:
        job = f"{self.id}-{name}"
        if name not in self.offsets:
            for path, content in (files or {}).items():
                self.host.put(f"files/{job}/{path}", content, mode=0o600)
            self.host.start_job(job, f"FILES={self.host.root}/files/{job}\nexport FILES\n{script}")
            self.offsets[name] = 0
        state = self.host.poll_job(job, self.offsets[name])
        self.offsets[name] += len(state.output)
        self.output += state.output
        if state.code is None:
            return Wait(0.02)
        if state.code:
            raise StepFailed(code, f"exit code {state.code}", exit_code=state.code)
        return DONE


@dataclass
class Machine:
    """A local host with the process runtime on it."""

    host: LocalHost
    runtime: ProcessRuntime
    base: Path
    count: int = 0

    def checkout(self, files: Mapping[str, str | bytes]) -> str:
        """Lay out a checkout; returns its path relative to the host's root."""
        self.count += 1
        name = f"checkouts/{self.count}"
        for path, content in files.items():
            file = Path(self.host.root, name, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    def spec(self, files: Mapping[str, str | bytes], image: str = "", **options: object) -> BuildSpec:
        checkout = self.checkout(files)
        return BuildSpec(image=image or f"portal/app:{self.count}", checkout=checkout, **options)  # type: ignore[arg-type]

    def start_build(self, spec: BuildSpec) -> Jobs:
        jobs = Jobs(self.host, f"b{os.urandom(4).hex()}")
        self.runtime.build(jobs, spec)
        return jobs

    def finish_build(self, spec: BuildSpec, jobs: Jobs) -> Progress:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while isinstance(progress := self.runtime.build(jobs, spec), Wait):
            assert time.monotonic() < deadline, jobs.output.decode()
            time.sleep(progress.seconds)
        return progress

    def build(self, files: Mapping[str, str | bytes], **options: object) -> tuple[BuildSpec, str]:
        """Build an image to its end; returns its specification and what the build said."""
        spec = self.spec(files, **options)  # type: ignore[arg-type]
        jobs = Jobs(self.host, f"b{os.urandom(4).hex()}")
        self.finish_build(spec, jobs)
        return spec, jobs.output.decode()

    def run(self, spec: BuildSpec, name: str = "one", **changes: object) -> RunSpec:
        options: dict[str, object] = {
            "host_port": free_port(), "container_port": 8000, "memory_mb": 256, "cpus": 1.0, "labels": {"a": "b"},
        }  # fmt: skip
        run = RunSpec(name=name, image=spec.image, **{**options, **changes})  # type: ignore[arg-type]
        self.runtime.start(run)
        return run

    def root_of(self, spec: BuildSpec) -> Path:
        """Where the finished image's files are."""
        description = self.runtime._description(spec.image)
        assert description
        return Path(description["folder"], "root")

    def wait_for(self, name: str, wanted: Callable[[Container], bool]) -> Container:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            container = self.runtime.inspect(name)
            if container is not None and wanted(container):
                return container
            assert time.monotonic() < deadline, f"{container}\n{self.runtime.logs(name)}"
            time.sleep(0.02)

    def wait_for_log(self, name: str, text: str) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in (log := self.runtime.logs(name)):
            assert time.monotonic() < deadline, f"{text!r} is not in {log!r}"
            time.sleep(0.02)
        return log


@contextmanager
def machine() -> Iterator[Machine]:
    """A machine of its own, cleaned up behind the test. Other users may pass to its folders."""
    base = Path(
        tempfile.mkdtemp(prefix="portal-process-", dir=os.environ.get("PORTAL_TEST_FOLDER", "/var/tmp"))
    )
    base.chmod(0o711)
    host = LocalHost(base / "host")
    made = Machine(host, ProcessRuntime(host), base)
    try:
        yield made
    finally:
        for container in made.runtime.containers({}):
            made.runtime.remove(container.name)
        shutil.rmtree(base, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def get(
    port: int, path: str = "/", *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Ask an application that is about to listen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST" if body is not None else "GET", path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            assert time.monotonic() < deadline, f"nobody answers on port {port}"
            time.sleep(0.02)
        finally:
            with suppress(OSError):
                connection.close()


def wheel(name: str, version: str, module: str) -> bytes:
    """A tiny package with a command of the same name, so that pip can be tried without a network."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, content)
    return buffer.getvalue()
