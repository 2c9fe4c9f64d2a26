"""Paths inside a repository, and paths of a URL."""

import re

from deployments.inputs.text import plain, refuse

SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
PATH_PREFIX = re.compile(r"(/[A-Za-z0-9._-]+)+")
HEALTH_PATH = re.compile(r"/[A-Za-z0-9/_.~?=&-]*")
# Answered by the proxy itself: its own page of errors, and the proof for certificates.
RESERVED_PREFIXES = (".portal", ".well-known")


def check_dockerfile_path(value: str) -> None:
    """Refuse what is not a path of a file below the top of the repository."""
    what = "The Dockerfile path"
    plain(value, what=what, limit=255)
    if value.startswith("/"):
        refuse(
            "path",
            f"{what} begins with /. Write it relative to the top of the repository: {value.lstrip('/')}",
        )
    segments = value.split("/")
    if not all(SEGMENT.fullmatch(segment) for segment in segments):
        refuse(
            "path", f"{what} may contain letters, digits and . _ - between single slashes, and names a file."
        )
    if any(not segment.strip(".") for segment in segments):
        refuse("path", f"{what} contains . or .. as a folder. Write it from the top: docker/Dockerfile.")
    if any(segment.startswith("-") or segment.lower() == ".git" for segment in segments):
        refuse(
            "path", f"{what} has a part that begins with a hyphen, or lies in .git. Rename or move the file."
        )


def check_context_path(value: str) -> None:
    """Refuse what is not a folder below the top of the repository."""
    if value == ".":
        return
    what = "The build context"
    plain(value, what=what, limit=255)
    segments = value.split("/")
    if not all(SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        refuse("path", f"{what} is a folder relative to the top of the repository, such as services/api.")
    if any(segment.startswith("-") or segment.lower() == ".git" for segment in segments):
        refuse("path", f"{what} has a part that begins with a hyphen, or lies in .git.")


def check_path_prefix(value: str) -> None:
    """Refuse what is not a short absolute path without a slash at its end."""
    what = "The path prefix"
    if not PATH_PREFIX.fullmatch(plain(value, what=what, limit=100)):
        refuse(
            "path_prefix",
            f"{what} begins with / and may contain letters, digits and . _ - between single slashes, "
            "without one at its end. Write for example /churn.",
        )
    if any(not segment.strip(".") for segment in value[1:].split("/")):
        refuse("path_prefix", f"{what} contains . or .. as a part. Write for example /churn.")
    if value[1:].split("/")[0].lower() in RESERVED_PREFIXES:
        refuse("reserved", f"{what} {value} is reserved. Write for example /churn.")


def check_health_path(value: str) -> None:
    """Refuse what is not a plain absolute path of a URL, with a query if need be."""
    what = "The health path"
    if not HEALTH_PATH.fullmatch(plain(value, what=what, limit=256)):
        refuse(
            "health_path",
            f"{what} begins with / and may contain letters, digits and / _ . ~ ? = & -. Write for example /health.",
        )
    if "//" in value or ".." in value:
        refuse(
            "health_path",
            f"{what} contains // or .., which servers read differently. Write for example /health.",
        )
