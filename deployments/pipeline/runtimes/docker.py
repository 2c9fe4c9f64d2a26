"""Builds and runs with the docker client of a host, whether that is this machine or one behind SSH."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deployments.pipeline import commands
from deployments.pipeline.progress import Done, Progress, Skipped, StepFailed, Wait
from deployments.pipeline.runtimes.base import BuildSpec, Container, Image, JobRunner, RunSpec
from deployments.pipeline.runtimes.docker_environment import prepare
from deployments.pipeline.runtimes.docker_facts import (
    EngineFacts,
    Found,
    read_containers,
    read_engine,
    read_listening,
)
from deployments.pipeline.runtimes.docker_failures import build_failure, pull_failure, run_failure
from instances.hosts.base import Host, HostError, Result

BUILD_JOB = "build"
PULL_JOB = "pull"
OUTPUT_LOOKED_AT = 64 * 1024
LOGS_LIMIT = 256 * 1024
# Starting and removing take long on a busy host, but must end well within a worker's lease.
ACT_SECONDS = 25.0
AVAILABLE_SECONDS = 3.0
ENGINE_PAUSE_SECONDS = 5.0
CONTAINERS_AT_A_TIME = 40
GONE = ("no such container", "no such image", "no such object", "is already in progress")


class EngineGone(HostError):
    """The Docker engine does not answer; it may be about to restart."""


def available(host: Host) -> EngineFacts | None:
    """Look for an engine that answers at once."""
    try:
        result = host.call(["docker", "version", "--format", "{{json .}}"], timeout=AVAILABLE_SECONDS)
    except HostError:
        return None
    return read_engine(result.out) if result.ok else None


class DockerRuntime:
    """Images and containers of the engine on a host."""

    key = "docker"

    def __init__(self, host: Host) -> None:
        self.host = host

    # --- images ----------------------------------------------------------------------------------

    def find_image(self, image: str) -> Image | None:
        """Look for an image by its name."""
        data = self._image(image)
        return Image(image, data["Id"], data["Size"]) if data else None

    def build(self, runner: JobRunner, spec: BuildSpec) -> Progress:
        """Build the image; looks first, attaches to a build that is under way. Fails with a code."""
        stamp = build_stamp(spec)
        if not runner.has_job(BUILD_JOB) and not spec.no_cache and (image := self._made(spec.image, stamp)):
            return Skipped(f"The image is there already: {_described(image)}")
        script = commands.build_script(spec, root=self.host.root, stamp=stamp)
        try:
            progress = runner.job(BUILD_JOB, script, code="build_failed")
        except StepFailed as failure:
            if failure.code != "build_failed":
                raise
            return _again(runner, BUILD_JOB, self._explained(runner, spec, failure))
        if isinstance(progress, Wait):
            return progress
        image = self.find_image(spec.image)
        if image is None:
            raise StepFailed("build_failed", f"The build ended well, but there is no image {spec.image}.")
        return Done(_described(image))

    def pull(self, runner: JobRunner, image: str) -> Progress:
        """Fetch an image that was made elsewhere."""
        try:
            progress = runner.job(PULL_JOB, commands.pull_script(image), code="pull_failed")
        except StepFailed as failure:
            if failure.code != "pull_failed":
                raise
            return _again(runner, PULL_JOB, pull_failure(runner.job_output(PULL_JOB, last=OUTPUT_LOOKED_AT)))
        if isinstance(progress, Wait):
            return progress
        found = self.find_image(image)
        if found is None:
            raise StepFailed("pull_failed", f"It was pulled, but there is no image {image}.")
        return Done(_described(found))

    def remove_image(self, image: str) -> None:
        """Remove an image. Nothing happens when it is gone, or when a container still needs it."""
        result = self._call(commands.remove_image(image), timeout=ACT_SECONDS)
        if not result.ok and "conflict" not in result.err.lower():
            _check_gone(result)

    def _image(self, image: str) -> dict[str, Any] | None:
        found = self._inspect(commands.inspect_image(image))
        if not found:
            return None
        data: dict[str, Any] = json.loads(found)[0]
        return data

    def _made(self, image: str, stamp: str) -> Image | None:
        """An image of that name that we built from the same things."""
        data = self._image(image)
        if data is None or (data["Config"].get("Labels") or {}).get(commands.BUILD_LABEL) != stamp:
            return None
        return Image(image, data["Id"], data["Size"])

    def _explained(self, runner: JobRunner, spec: BuildSpec, failure: StepFailed) -> StepFailed:
        output = runner.job_output(BUILD_JOB, last=OUTPUT_LOOKED_AT)
        return build_failure(
            output, dockerfile=self._dockerfile(spec), exit_code=failure.evidence.get("exit_code")
        )

    def _dockerfile(self, spec: BuildSpec) -> str:
        """Its text, to find a line in it; "" when it is a link or not there."""
        try:
            text = self.host.read(f"{spec.checkout}/{spec.dockerfile}") or b""
        except ValueError:
            return ""
        return text.decode(errors="replace")

    # --- containers ------------------------------------------------------------------------------

    def start(self, spec: RunSpec) -> None:
        """Run the container; one that is there under that name with the same image is left alone.

        One that was stopped is started again; one with another image or configuration is replaced.
        """
        stamp = run_stamp(spec)
        found = self._find(spec.name)
        if found is not None:
            if self._is_current(found, spec, stamp) and self._revive(found):
                return
            self.remove(spec.name)
        self._run(spec, stamp)

    def run_once(
        self, runner: JobRunner, job: str, spec: RunSpec, command: str, *, code: str, mount: str = ""
    ) -> Progress:
        """Run a command in a passing container of the image; its end decides. Fails with `code`."""
        environment = prepare({**spec.variables, "PORT": str(spec.container_port)})
        script = commands.once_script(spec, command, names=environment.names, mount=mount)
        files = {"lines": environment.lines, "assignments": environment.assignments}
        return runner.job(job, script, files=files, code=code)

    def inspect(self, name: str) -> Container | None:
        """Look at a container; None when there is none of that name."""
        found = self._find(name)
        if found is None:
            return None
        if not found.container.running:
            return found.container
        tables = [f"/proc/{found.pid}/net/{table}" for table in ("tcp", "tcp6")]
        listening = read_listening(self.host.call(["cat", "--", *tables]).out)
        return replace(found.container, listening=listening)

    def logs(self, name: str, *, tail: int = 200) -> str:
        """The last lines that the container wrote, both streams in the order of time."""
        result = self.host.call(commands.docker_logs(name, tail=tail, limit_bytes=LOGS_LIMIT))
        code = result.err.strip().rpartition("\n")[2]
        if code == "0":
            return result.out
        _check_gone(_check_engine(Result(1, "", result.out + result.err)))
        return ""

    def stop(self, name: str, *, grace: int = 10) -> None:
        """Ask it to end, kill it after `grace` seconds. Returns at once; `inspect` tells when it is so."""
        self._call(commands.docker_stop(name, grace=grace))

    def remove(self, name: str) -> None:
        """Remove a container, running or not, with its own volumes. Nothing happens when it is gone."""
        _check_gone(self._call(commands.docker_remove(name), timeout=ACT_SECONDS))

    def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """All containers of ours that carry these labels, running or not."""
        listed = self._call(commands.docker_list(labels))
        _check(listed)
        found = [each for some in _batches(listed.out.split()) for each in self._look_at(some)]
        return [each.container for each in found if labels.items() <= each.labels.items()]

    def _look_at(self, ids: Sequence[str]) -> list[Found]:
        """Some may have gone since they were listed; the others are printed nevertheless."""
        return read_containers(self._call(commands.inspect_containers(*ids)).out)

    def _find(self, name: str) -> Found | None:
        found = self._inspect(commands.inspect_containers(name))
        return read_containers(found)[0] if found else None

    def _is_current(self, found: Found, spec: RunSpec, stamp: str) -> bool:
        if found.stamp != stamp:
            return False
        image = self.find_image(spec.image)
        return image is None or image.digest == found.image_id

    def _revive(self, found: Found) -> bool:
        """Leave a running container alone, start a stopped one; False when it has to be replaced."""
        if found.status in ("running", "restarting"):
            return True
        if found.status not in ("created", "exited"):
            return False
        return self._call(commands.docker_start(found.container.name), timeout=ACT_SECONDS).ok

    def _run(self, spec: RunSpec, stamp: str) -> None:
        environment = prepare({**spec.variables, "PORT": str(spec.container_port)})

        def run(*, cpu_limit: bool = True) -> Result:
            argv = commands.docker_run(spec, stamp=stamp, names=environment.names, cpu_limit=cpu_limit)
            argv = commands.with_environment(argv, assignments=environment.assignments)
            return self._call(argv, input=environment.input, timeout=ACT_SECONDS)

        result = run()
        if "Range of CPUs" in result.err:
            # More than the machine has is refused; no limit comes to the same.
            result = run(cpu_limit=False)
        if result.ok:
            return
        if "is already in use by container" in result.err:
            # Another worker was faster: its container is looked at by the next call.
            raise HostError(f"The container {spec.name} was made by somebody else just now.")
        # The engine keeps a container that it could not start.
        self.remove(spec.name)
        raise run_failure(result.err)

    # --- the client ------------------------------------------------------------------------------

    def _inspect(self, argv: list[str]) -> str:
        """What the client knows about one thing; "" when it is not there."""
        result = self._call(argv)
        _check_gone(result)
        return result.out if result.ok else ""

    def _call(self, argv: Sequence[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        return _check_engine(self.host.call(argv, input=input, timeout=timeout))


def _again(runner: JobRunner, job: str, failure: StepFailed) -> Progress:
    """An engine that stopped in the middle, as when its machine restarts, is given time to come back."""
    if failure.code != "engine_gone" or not runner.repeat_job(job):
        raise failure
    runner.say("The Docker engine stopped answering; trying again.", level="warning")
    return Wait(ENGINE_PAUSE_SECONDS)


def build_stamp(spec: BuildSpec) -> str:
    """What the image is made of: the name stands for the commit."""
    return _digest([spec.image, spec.dockerfile, spec.context, sorted(spec.build_args.items())])


def run_stamp(spec: RunSpec) -> str:
    """What the container is started with."""
    return _digest(
        [
            spec.image, spec.host_port, spec.container_port, spec.memory_mb, float(spec.cpus),
            sorted(spec.labels.items()), sorted(spec.variables.items()),
        ]
    )  # fmt: skip


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _described(image: Image) -> str:
    return f"{image.digest.removeprefix('sha256:')[:12]}, {image.size / 1e6:.0f} MB"


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many at a time that their description stays below what a host returns."""
    for start in range(0, len(ids), CONTAINERS_AT_A_TIME):
        yield ids[start : start + CONTAINERS_AT_A_TIME]


def _check_engine(result: Result) -> Result:
    if not result.ok and "cannot connect to the docker daemon" in result.err.lower():
        raise EngineGone("The Docker engine does not answer.")
    return result


def _check(result: Result) -> None:
    if not result.ok:
        raise HostError(f"docker: {result.err.strip()[-500:]}")


def _check_gone(result: Result) -> None:
    """Raise unless it worked, or there was nothing (left) to work on."""
    if not any(word in result.err.lower() for word in GONE):
        _check(result)
