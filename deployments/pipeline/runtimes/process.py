"""Builds and runs without an engine: an image is a folder with a Python of its own, a container a process."""

import hashlib
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deployments.pipeline.dockerfile import DockerfileError, read
from deployments.pipeline.progress import Done, Progress, Skipped, StepFailed, Wait
from deployments.pipeline.runtimes import process_program
from deployments.pipeline.runtimes.base import BuildSpec, Container, Image, JobRunner, RunSpec
from deployments.pipeline.runtimes.process_build import outcome
from deployments.pipeline.runtimes.process_build.cannot import CannotHonour
from deployments.pipeline.runtimes.process_build.check import check
from deployments.pipeline.runtimes.process_build.images import safe_name
from deployments.pipeline.runtimes.process_settings import build_environment
from instances.hosts.base import Host

BUILD_JOB = "build"
OUTPUT_LOOKED_AT = 16 * 1024
DOCKERFILE_LIMIT = 2 << 20
DESCRIPTION_LIMIT = 32 << 20
ACT_SECONDS = 25.0
END_SECONDS = 5.0
SUPERVISOR_SECONDS = 3
# Beyond the end of any log: asks a job only how it is.
NO_OUTPUT = 1 << 40
KILLED = 137
CODES = {
    outcome.CANNOT: "process_cannot",
    outcome.INVALID: "dockerfile_invalid",
    outcome.COMMAND_FAILED: "build_command_failed",
    outcome.DISK_FULL: "disk_full",
}


class ProcessRuntime:
    """Images and containers as folders and processes of a host that has a Python."""

    key = "process"

    def __init__(self, host: Host, python: str = "", private: Sequence[str] = ()) -> None:
        """`private` are folders that no application may look into, besides the portal's own."""
        self.host = host
        self.python = python or getattr(sys, "_base_executable", sys.executable)
        self.program = process_program.HostProgram(host, self.python)
        own = [str(Path(host.root).parent), str(process_program.TOP), str(Path.home())]
        self.private = [*own, *private]

    # --- images ----------------------------------------------------------------------------------

    def find_image(self, image: str) -> Image | None:
        """Look for an image by its name."""
        found = self._description(image)
        return Image(image, found["digest"], found["size"]) if found else None

    def build(self, runner: JobRunner, spec: BuildSpec) -> Progress:
        """Build the image; looks first, attaches to a build that is under way. Fails with a code."""
        if not runner.has_job(BUILD_JOB):
            image = self.find_image(spec.image)
            if image is not None and not spec.no_cache:
                return Skipped(f"The image is there already: {_described(image)}")
            self._check(spec)
            self.program.ensure()
        try:
            files = {"order.json": json.dumps(self._order(spec)).encode()}
            progress = runner.job(BUILD_JOB, self._build_script(), files=files, code="build_failed")
        except StepFailed as failure:
            if failure.code != "build_failed":
                raise
            raise _explained(runner, failure) from failure
        if isinstance(progress, Wait):
            return progress
        image = self.find_image(spec.image)
        if image is None:
            raise StepFailed("build_failed", f"The build ended well, but there is no image {spec.image}.")
        return Done(_described(image))

    def pull(self, runner: JobRunner, image: str) -> Progress:
        """There is no registry without an engine."""
        raise StepFailed("no_engine", f"{image} is a finished image; only a Docker engine can run it.")

    def remove_image(self, image: str) -> None:
        """Remove an image; its files go with the last container that stands on it."""
        self.program.call("remove-image", self.host.root, image, timeout=ACT_SECONDS)

    def _check(self, spec: BuildSpec) -> None:
        """Refuse what cannot be built before anything is made."""
        try:
            text = self.host.read(f"{spec.checkout}/{spec.dockerfile}", limit=DOCKERFILE_LIMIT)
        except ValueError as error:
            # A link, or something that is no file.
            raise StepFailed("dockerfile_invalid", str(error)) from error
        if text is None:
            raise StepFailed("dockerfile_missing", f"There is no {spec.dockerfile}.")
        try:
            check(read(text.decode(errors="replace"), build_args=spec.build_args))
        except DockerfileError as error:
            raise StepFailed("dockerfile_invalid", str(error), line=error.line) from error
        except CannotHonour as error:
            raise StepFailed("process_cannot", str(error), line=error.line) from error

    def _order(self, spec: BuildSpec) -> dict[str, Any]:
        return {
            "root": self.host.root,
            "image": spec.image,
            "checkout": f"{self.host.root}/{spec.checkout}",
            "dockerfile": spec.dockerfile,
            "labels": dict(spec.labels),
            "build_args": dict(spec.build_args),
            "no_cache": spec.no_cache,
            "python": self.python,
            "private": self.private,
            "port_map": process_program.port_map(),
            "given": build_environment(),
        }

    def _build_script(self) -> str:
        command = shlex.join(self.program.argv("build"))
        return f'exec {command} "$FILES/order.json"\n'

    def _description(self, image: str) -> dict[str, Any] | None:
        """What the build wrote down; None unless the image's files are there too."""
        raw = self.host.read(f"images/{safe_name(image)}.json", limit=DESCRIPTION_LIMIT)
        if raw is None:
            return None
        found: dict[str, Any] = json.loads(raw)
        folder = Path(found["folder"]).name
        sign = self.host.read(f"images/{folder}/root/usr/local/pyvenv.cfg", limit=1)
        return None if sign is None else found

    # --- containers ------------------------------------------------------------------------------

    def start(self, spec: RunSpec) -> None:
        """Run the container; one that is there under that name with the same image is left alone.

        One that has ended is started again; one with another image or configuration is replaced.
        """
        image = self._description(spec.image)
        if image is None:
            raise StepFailed("image_gone", f"The image {spec.image} is not on the machine.")
        stamp = _stamp(spec, image["folder"])
        generation = 1
        if found := self._look(spec.name):
            if found["stamp"] == stamp and self._as_container(found).running:
                return
            if found["stamp"] == stamp:
                self._forget(_job(spec.name, found["generation"]))
                generation = found["generation"] + 1
            else:
                self.remove(spec.name)
        self._run(spec, image, stamp, generation)

    def run_once(
        self, runner: JobRunner, job: str, spec: RunSpec, command: str, *, code: str, mount: str = ""
    ) -> Progress:
        """There is no passing container without an engine."""
        raise StepFailed(
            "process_cannot", "The test command and hooks run inside the image, which needs a Docker engine."
        )

    def inspect(self, name: str) -> Container | None:
        """Look at a container; None when there is none of that name."""
        found = self._look(name)
        return self._as_container(found) if found else None

    def logs(self, name: str, *, tail: int = 200) -> str:
        """The last lines that the container wrote, both streams."""
        text = self.program.call("logs", self.host.root, name, str(tail))
        found = self._look(name)
        if found is None or found["began"]:
            return text
        # Our own program failed before it could keep anything.
        try:
            return text + self.host.poll_job(_job(name, found["generation"]), 0).output.decode(
                errors="replace"
            )
        except KeyError:
            return text

    def stop(self, name: str, *, grace: int = 10) -> None:
        """Ask it to end, kill it after `grace` seconds. Returns at once; `inspect` tells when it is so."""
        if found := self._look(name):
            self.host.put(f"containers/{name}/stop.json", json.dumps({"grace": grace}).encode(), mode=0o600)
            # The supervisor sees to it in time; the host only has to where there is none any more.
            self.host.stop_job(_job(name, found["generation"]), grace=grace + SUPERVISOR_SECONDS)

    def remove(self, name: str) -> None:
        """Remove a container, running or not, and what belongs to it. Nothing happens when it is gone."""
        found = self._look(name)
        if found is None:
            return
        job = _job(name, found["generation"])
        if not found["began"]:
            # A start that has not come far must not go on once the folder is gone.
            self.host.stop_job(job, grace=0)
            self._wait_for_end(job)
        self.program.call("remove", self.host.root, name, timeout=ACT_SECONDS)
        self._forget(job)

    def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """All containers of ours that carry these labels, running or not."""
        found = self._look_all()
        return [self._as_container(each) for each in found if labels.items() <= each["labels"].items()]

    def _run(self, spec: RunSpec, image: dict[str, Any], stamp: str, generation: int) -> None:
        self.program.ensure()
        config = {
            key: image[key] for key in ("env", "workdir", "user", "shell", "entrypoint", "command", "claimed")
        }
        kept = {
            "name": spec.name,
            "image": spec.image,
            "folder": image["folder"],
            "prefix": image["prefix"],
            "uid": image["uid"],
            "image_config": config,
            "host_port": spec.host_port,
            "container_port": spec.container_port,
            "memory_mb": spec.memory_mb,
            "cpus": spec.cpus,
            "labels": dict(spec.labels),
            "private": self.private,
            "stamp": stamp,
            "generation": generation,
        }
        folder = f"containers/{spec.name}"
        # The values come first: without them there is nothing to look at, so a start that was
        # interrupted here is simply done again.
        self.host.put(
            f"{folder}/variables.{generation}", json.dumps(dict(spec.variables)).encode(), mode=0o600
        )
        self.host.put(f"{folder}/spec.json", json.dumps(kept).encode(), mode=0o600)
        command = shlex.join(self.program.argv("run", f"{self.host.root}/{folder}"))
        self.host.start_job(_job(spec.name, generation), f"exec {command}\n")

    def _as_container(self, found: Mapping[str, Any]) -> Container:
        running, exit_code = found["running"], found["exit_code"]
        if not found["began"]:
            running, exit_code = self._ask_job(_job(found["name"], found["generation"]))
        elif not running and exit_code is None:
            # Whoever should have written it down was killed.
            exit_code = KILLED
        return Container(
            name=found["name"],
            running=running,
            image=found["image"],
            exit_code=exit_code,
            out_of_memory=found["out_of_memory"],
            host_port=found["host_port"],
            listening=tuple(found["listening"]),
            labels=found.get("labels", {}),
        )

    def _ask_job(self, id: str) -> tuple[bool, int | None]:
        """Whether a start that wrote nothing down yet is under way, and its exit code otherwise."""
        try:
            code = self.host.poll_job(id, NO_OUTPUT).code
        except KeyError:
            return False, None
        return code is None, code

    def _forget(self, job: str) -> None:
        """Remove what is kept of the job of an ended container."""
        self._wait_for_end(job)
        self.host.forget_job(job)

    def _wait_for_end(self, job: str) -> None:
        """Its processes are gone or about to be; until the host has noticed, it takes some milliseconds."""
        deadline = time.monotonic() + END_SECONDS
        while self._ask_job(job)[0] and time.monotonic() < deadline:
            time.sleep(0.02)

    def _look(self, name: str) -> dict[str, Any] | None:
        found: list[dict[str, Any]] = json.loads(self.program.call("look", self.host.root, name))
        return found[0] if found else None

    def _look_all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.program.call("look", self.host.root))
        return found


def _job(name: str, generation: int) -> str:
    return f"container-{name}-{generation}"


def _stamp(spec: RunSpec, folder: str) -> str:
    """What the container is started with; kept where only the portal can read it."""
    parts = [
        folder, spec.image, spec.host_port, spec.container_port, spec.memory_mb, float(spec.cpus),
        sorted(spec.labels.items()), sorted(spec.variables.items()),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _explained(runner: JobRunner, failure: StepFailed) -> StepFailed:
    why = outcome.reason(runner.job_output(BUILD_JOB, last=OUTPUT_LOOKED_AT))
    code = CODES.get(failure.evidence.get("exit_code", 0), "build_failed")
    return StepFailed(code, why or failure.detail, **failure.evidence)


def _described(image: Image) -> str:
    return f"{image.digest.removeprefix('sha256:')[:12]}, {image.size / 1e6:.0f} MB"
