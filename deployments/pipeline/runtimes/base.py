"""How an image is built and a container is run, whatever stands behind the two words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deployments.pipeline.progress import Progress
from instances.hosts.base import Host


@dataclass(frozen=True)
class BuildSpec:
    """What to build: a checkout on the host, and the name that the image will have."""

    image: str
    checkout: str  # relative to host.root
    dockerfile: str = "Dockerfile"  # relative to the checkout
    labels: Mapping[str, str] = field(default_factory=dict)
    build_args: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    container_port: int = 8000
    # The folder that the build sees, relative to the checkout.
    context: str = ""


@dataclass(frozen=True)
class RunSpec:
    """What to run: a kept image as a container that is published on one loopback port."""

    name: str
    image: str
    host_port: int
    container_port: int
    memory_mb: int
    cpus: float
    labels: Mapping[str, str] = field(default_factory=dict)
    # The user's variables, already decrypted: these go to the host by stdin into a 0600 file used once.
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Image:
    """An image that is there."""

    name: str
    digest: str
    size: int


@dataclass(frozen=True)
class Container:
    """A container that is there, as the host sees it."""

    name: str
    running: bool
    image: str = ""
    # The image it was really made of, where the runtime can tell.
    image_digest: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False
    restarts: int = 0
    host_port: int | None = None
    # The ports it listens on inside, where the runtime can tell; for the diagnosis.
    listening: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)


class JobRunner(Protocol):
    """The part of a step's context that a runtime may use: a job that is started, read on, and judged."""

    def job(
        self, name: str, script: str, *, files: Mapping[str, bytes] | None = None, code: str
    ) -> Progress: ...

    def has_job(self, name: str) -> bool: ...

    def repeat_job(self, name: str) -> bool: ...

    def job_output(self, name: str, *, last: int = 0) -> str: ...

    def say(self, text: str, level: str = "info") -> None: ...


class Runtime(Protocol):
    """`docker`, or `process` where no engine answers. Every method may be repeated."""

    key: str
    host: Host

    def find_image(self, image: str) -> Image | None:
        """Look for an image by its name."""

    def build(self, runner: JobRunner, spec: BuildSpec) -> Progress:
        """Build the image; looks first, attaches to a build that is under way. Fails with a code."""

    def pull(self, runner: JobRunner, image: str) -> Progress:
        """Fetch an image that was made elsewhere. Fails with a code where the runtime knows no registry."""

    def run_once(
        self, runner: JobRunner, job: str, spec: RunSpec, command: str, *, code: str, mount: str = ""
    ) -> Progress:
        """Run a command in a passing container of the image; its end decides. Fails with `code`.

        `mount` is a folder of the host that the command finds, and may write to, at /src.
        """

    def start(self, spec: RunSpec) -> None:
        """Run the container; one that is there under that name with the same image is left alone."""

    def inspect(self, name: str) -> Container | None:
        """Look at a container; None when there is none of that name."""

    def logs(self, name: str, *, tail: int = 200) -> str:
        """The last lines that the container wrote, both streams."""

    def stop(self, name: str, *, grace: int = 10) -> None:
        """Ask it to end, kill it after `grace` seconds. Returns at once; `inspect` tells when it is so."""

    def remove(self, name: str) -> None:
        """Remove a container, running or not, and what belongs to it. Nothing happens when it is gone."""

    def remove_image(self, image: str) -> None:
        """Remove an image. Nothing happens when it is gone."""

    def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """All containers of ours that carry these labels, running or not."""
