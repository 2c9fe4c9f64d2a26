"""What is kept of a finished image: how it runs, and a digest of what is in it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from deployments.pipeline.dockerfile import Command, Dockerfile
from deployments.pipeline.runtimes.process_build.paths import Tree

PIECE = 1 << 20


def describe(file: Dockerfile, tree: Tree, *, python: str) -> dict[str, Any]:
    """The image's configuration, size and digest."""
    stage = file.final_stage
    config: dict[str, Any] = {
        "env": dict(stage.env),
        "workdir": stage.workdir,
        "user": stage.user,
        "shell": list(stage.shell),
        "entrypoint": _command(stage.entrypoint),
        "command": _command(stage.command),
        "exposed": list(file.exposed_ports),
        "python": python,
        "claimed": sorted(tree.claimed),
    }
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    size = 0
    for path, packages in _files(tree.root):
        status = os.lstat(path)
        size += status.st_size
        inner = path[len(tree.root) :]
        if packages:
            # Installed packages are told by their names and versions; their files hold build times.
            if inner.endswith(".dist-info/METADATA"):
                digest.update(f"package {inner}\n".encode(errors="surrogateescape"))
            continue
        digest.update(
            f"{inner} {stat.S_IMODE(status.st_mode):o} {_content(path, tree)}\n".encode(
                errors="surrogateescape"
            )
        )
    return {**config, "digest": f"sha256:{digest.hexdigest()}", "size": size}


def _command(command: Command | None) -> dict[str, Any] | None:
    return None if command is None else {"words": list(command.words), "shell": command.shell}


def _files(root: str) -> Iterator[tuple[str, bool]]:
    """All files in a fixed order, and whether each belongs to installed packages."""
    for folder, names, files in os.walk(root):
        names.sort()
        packages = "/site-packages" in folder or folder.endswith("/bin")
        for name in sorted((*files, *(each for each in names if os.path.islink(f"{folder}/{each}")))):
            yield f"{folder}/{name}", packages or folder.endswith("/__pycache__") or name == "pyvenv.cfg"


def _content(path: str, tree: Tree) -> str:
    if os.path.islink(path):
        return "-> " + tree.inner(os.readlink(path))
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
