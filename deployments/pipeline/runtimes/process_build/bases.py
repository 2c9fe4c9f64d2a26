"""Which base images a virtual environment can stand in for."""

from __future__ import annotations

import re

from deployments.pipeline.runtimes.process_build.cannot import CannotHonour

# The same official image under the names of mirrors.
LIBRARIES = ("", "library/", "docker/library/", "dockerhub/library/")
TAG = re.compile(
    r"(?:(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:[.\w]*)?(?:-(?P<rest>[\w.-]+))?|latest|slim|alpine.*|[a-z]+)$"
)


def python_version(image: str, *, line: int) -> str:
    """The `3.11` of `python:3.11-slim`; empty when the tag leaves it open. Refuses other bases."""
    name, tag = _split(image)
    if not _is_python(name) or "windows" in tag or "nanoserver" in tag:
        raise CannotHonour(line, f"FROM {image[:200]} is no Python image, and no Docker engine answers here.")
    found = TAG.match(tag)
    if not found or found["major"] not in (None, "3"):
        raise CannotHonour(line, f"FROM {image[:200]}: this version of Python cannot be provided here.")
    return f"3.{found['minor']}" if found["minor"] else ""


def _split(image: str) -> tuple[str, str]:
    """Name and tag; a digest is dropped."""
    image = image.partition("@")[0]
    head, slash, last = image.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag or "latest"


def _is_python(name: str) -> bool:
    head, _, rest = name.partition("/")
    is_registry = "." in head or ":" in head or head == "localhost"
    path = rest if rest and is_registry else name
    return any(path == f"{library}python" for library in LIBRARIES)
