"""Finds and removes what builds left on a machine: images of ours that no kept release names."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from deployments.models import Deployment, Release
from deployments.pipeline import names
from deployments.pipeline.commands import BUILD_LABEL
from deployments.pipeline.places import Place
from deployments.pipeline.runtimes.base import Runtime
from instances.hosts.base import Host
from instances.models import Instance
from instances.states import Kind

# The stamp that each build of ours leaves on its image.
MANAGED = BUILD_LABEL
LIST = [
    "docker", "image", "ls", "--no-trunc", f"--filter=label={MANAGED}",
    "--format", "{{.ID}} {{.Repository}}:{{.Tag}}",
]  # fmt: skip
# A build cache carries no labels, so it is only given up where the whole machine is ours.
PRUNE_CACHE = ["docker", "builder", "prune", "--force", "--filter=until=24h"]
CALL_SECONDS = 25.0
NAMELESS = "<none>"
LOOKED_AT = 500


@dataclass(frozen=True)
class Removed:
    """What one go removed, and whether time ran out before the end."""

    images: int
    freed_bytes: int
    more: bool


def remove(instance: Instance, place: Place, *, until: float) -> Removed:
    """Remove leftovers one by one until none is there or the time is up. Raises HostError."""
    kept = Kept.of(instance)
    removed, freed, more = 0, 0, False
    for runtime in place.runtimes.values():
        before = _free_bytes(runtime)
        for image in list(_leftovers(instance, runtime, kept)):
            if time.monotonic() > until:
                more = True
                break
            removed += _remove(runtime, image)
        if runtime.key == "docker" and instance.kind == Kind.EC2 and not more:
            runtime.host.call(PRUNE_CACHE, timeout=CALL_SECONDS)
        freed += max(0, _free_bytes(runtime) - before)
    return Removed(removed, freed, more and removed > 0)


@dataclass(frozen=True)
class Kept:
    """The images that stay: by name and by digest."""

    images: frozenset[str]
    digests: frozenset[str]

    @classmethod
    def of(cls, instance: Instance) -> "Kept":
        """Of all releases on this machine that can be started again, the live ones among them."""
        live = Q(pk__in=instance.environments.values("live_release"))
        releases = Release.objects.filter(live | Q(kept=True), environment__instance=instance)
        rows = list(releases.values_list("image", "image_digest"))
        return cls(frozenset(name for name, _ in rows), frozenset(digest for _, digest in rows if digest))


def _leftovers(instance: Instance, runtime: Runtime, kept: Kept) -> Iterator[str]:
    if runtime.key == "docker":
        listed = runtime.host.call(LIST)
        # Without an engine there is nothing of it.
        for row in listed.out.splitlines() if listed.ok else ():
            digest, _, name = row.partition(" ")
            if name not in kept.images and digest not in kept.digests:
                yield digest if NAMELESS in name else name
        return
    yield from sorted(_once_made(instance) - kept.images)


def _once_made(instance: Instance) -> set[str]:
    """The names of images that deployments made here, whether or not a release came of them."""
    given_up = Release.objects.filter(environment__instance=instance, kept=False).order_by("-id")
    made = (
        Deployment.objects.filter(instance=instance, finished_at__isnull=False)
        .exclude(commit="")
        .select_related("application")
        .order_by("-id")
    )
    found = set(given_up.values_list("image", flat=True)[:LOOKED_AT])
    return found | {names.image_name(deployment) for deployment in made[:LOOKED_AT]}


def _remove(runtime: Runtime, image: str) -> int:
    """1 when it is gone now; a container that stands on an image keeps it."""
    if runtime.find_image(image) is None:
        return 0
    runtime.remove_image(image)
    return int(runtime.find_image(image) is None)


def _free_bytes(runtime: Runtime) -> int:
    """The room on the disk that holds the images."""
    folder = runtime.host.root if runtime.key != "docker" else _engine_folder(runtime.host)
    rows = runtime.host.call(["df", "-Pk", "--", folder]).out.splitlines() if folder else []
    parts = rows[1].split() if len(rows) > 1 else []
    return int(parts[3]) * 1024 if len(parts) > 3 and parts[3].isdigit() else 0


def _engine_folder(host: Host) -> str:
    result = host.call(["docker", "info", "--format", "{{.DockerRootDir}}"])
    return result.out.strip() if result.ok else ""
