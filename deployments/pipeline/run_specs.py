"""What a release is run with, at its deployment and at every restart."""

from deployments import snapshots
from deployments.models import Release
from deployments.pipeline.runtimes.base import RunSpec


def run_spec(release: Release, *, name: str, host_port: int, labels: dict[str, str]) -> RunSpec:
    """How this release is run; the same at its deployment and at every restart."""
    return RunSpec(
        name=name,
        image=release.image,
        host_port=host_port,
        container_port=release.container_port,
        memory_mb=release.memory_mb,
        cpus=float(release.cpus),
        labels=labels,
        variables=snapshots.parse_variables(release),
    )
