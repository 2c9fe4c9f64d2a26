"""How an application is built and run: what a person set, else what the repository says, else the default."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from deployments.manifest import Manifest
from deployments.models import Application, Deployment

FIELDS = ("dockerfile", "context", "container_port", "health_path", "memory_mb", "cpus", "test_command")
DEFAULTS = {name: getattr(Application(), name) for name in FIELDS}
# Objects are put together key by key.
OBJECTS = ("build_args", "hooks")


@dataclass(frozen=True)
class RunConfig:
    """Everything of it that a deployment goes by."""

    dockerfile: str = "Dockerfile"
    context: str = ""
    # Nothing: the port that the Dockerfile exposes, else the usual one.
    container_port: int | None = None
    health_path: str = ""
    memory_mb: int = 1024
    cpus: str = "1"
    test_command: str = ""
    build_args: dict[str, str] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    # Values of the repository for variables that nobody set.
    variables: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    # Name of a field → `application` or `repo`; all others are defaults.
    sources: dict[str, str] = field(default_factory=dict)

    def as_facts(self) -> dict[str, Any]:
        """As it is remembered with a deployment."""
        return asdict(self) | {"required": list(self.required)}

    def missing(self, given: Collection[str]) -> list[str]:
        """The variables that must be set, and are not among those given."""
        return [name for name in self.required if name not in given]


def work_out(application: Application, manifest: Manifest) -> RunConfig:
    """Put the application's settings, the repository's and the defaults together."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in FIELDS:
        own = getattr(application, name)
        if own != DEFAULTS[name]:
            values[name], sources[name] = own, "application"
        elif name in manifest.settings:
            values[name], sources[name] = manifest.settings[name], "repo"
        else:
            values[name] = own
    for name in OBJECTS:
        repo, own = manifest.settings.get(name, {}), getattr(application, name)
        values[name] = {**repo, **own}
        sources |= {f"{name}.{key}": "application" if key in own else "repo" for key in values[name]}
    values["cpus"] = _plain(values["cpus"])
    return RunConfig(**values, variables=manifest.defaults, required=manifest.required, sources=sources)


def effective(deployment: Deployment) -> RunConfig:
    """What was worked out for this deployment, or for the one whose release it brings back."""
    kept = deployment.facts.get("config")
    if kept is None and deployment.origin is not None:
        kept = deployment.origin.facts.get("config")
    if kept is None:
        return work_out(deployment.application, Manifest())
    return RunConfig(**{**kept, "required": tuple(kept["required"])})


def _plain(number: Any) -> str:
    return f"{Decimal(str(number)).normalize():f}"
