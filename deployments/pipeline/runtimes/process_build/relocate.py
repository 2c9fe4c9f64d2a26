"""What was made in one stage names that stage's folder; copied to another it must name the new one."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from deployments.pipeline.runtimes.process_build.paths import Tree

if TYPE_CHECKING:
    from deployments.pipeline.runtimes.process_build.copying import Source

# Only scripts and the like hold such paths; looking into every library would take long.
SUFFIXES = (".pth", ".cfg", ".egg-link", ".json", ".conf", ".ini", ".sh")
MAX_SIZE = 1 << 20


def relocate_file(path: str, old: str, new: str) -> None:
    """Replace the old root by the new one in a script or a settings file."""
    name = os.path.basename(path).removesuffix(".portal-copy")
    in_bin = os.path.basename(os.path.dirname(path)) in ("bin", "Scripts")
    if not (in_bin or name.endswith(SUFFIXES)) or os.path.getsize(path) > MAX_SIZE:
        return
    with open(path, "rb") as file:
        content = file.read()
    if b"\0" in content or old.encode() not in content:
        return
    # The copy is ours and has one name only, so it can be written in place; its mode stays.
    with open(path, "r+b") as file:
        file.write(content.replace(old.encode(), new.encode()))
        file.truncate()


def relocate_link(text: str, destination: str, source: Source, tree: Tree) -> str:
    """What a copied link must say so that it stays within the image."""
    if source.stage is not None:
        inner = source.stage.inner(text)
        if inner != text:
            return tree.root + inner
        if text.startswith("/"):
            # Made by a virtual environment: the machine's own interpreter.
            return text
    if text.startswith("/"):
        return tree.root + posixpath.normpath("/" + text)
    return _held_back(text, destination, tree)


def _held_back(text: str, destination: str, tree: Tree) -> str:
    depth = len([part for part in posixpath.dirname(destination).split("/") if part])
    for part in text.split("/"):
        depth += -1 if part == ".." else 1 if part not in ("", ".") else 0
        if depth < 0:
            return tree.root + posixpath.normpath(posixpath.join(posixpath.dirname(destination), text))
    return text
